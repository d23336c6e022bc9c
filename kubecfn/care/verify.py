"""Reading a snapshot back and saying whether it could be restored: every checksum there is, and etcdutl where it is installed.

Source: etcd documentation, "Disaster recovery", section "Snapshotting the keyspace"; S3 API reference, GetObject.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kubecfn.care.bucket import choices
from kubecfn.care.choose import chosen
from kubecfn.care.proof import Claims, Sums, damage, foreign, unproven
from kubecfn.care.where import Where
from kubecfn.care.words import size
from kubecfn.deploy.aws import NO_OBJECT, Aws, code_of, doing
from kubecfn.deploy.progress import Kind, Progress, Reporter, silent
from kubecfn.errors import FileError, KubecfnError

_PIECE = 1 << 20
# What is smaller is read before anyone could read a line about it.
_WORTH_TELLING = 16 << 20
_SPARE = 64 << 20
_ETCDUTL_SECONDS = 600
_CHOOSE = "Choose another with: kubecfn backup list"


class DamagedError(KubecfnError):
    """A snapshot must not be restored; the sentence says why."""


@dataclass(frozen=True)
class Verified:
    """A snapshot whose bytes agree with everything that is known about them.

    Attributes:
        etcdutl: what `etcdutl snapshot status` said, or that it was not asked.
    """

    key: str
    epoch: int
    revision: int
    size: int
    sha256: str
    etcdutl: str

    @property
    def lines(self) -> tuple[str, ...]:
        """It in plain lines."""
        return (
            f"{self.key} can be restored: epoch {self.epoch}, revision {self.revision}, {size(self.size)}.",
            f"  SHA-256 {self.sha256}, as noted when it was taken; etcd's own hash agrees",
            f"  etcdutl: {self.etcdutl}",
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "key": self.key,
            "epoch": self.epoch,
            "revision": self.revision,
            "size": self.size,
            "sha256": self.sha256,
            "etcdutl": self.etcdutl,
        }


def verify_chosen(aws: Aws, where: Where, wanted: str, *, report: Reporter = silent) -> Verified:
    """Find the snapshot that is meant and do what `verify` does.

    Raises:
        WrongUseError: there is no such snapshot.
        DamagedError: it must not be restored.
    """
    one = chosen(choices(aws, where.bucket), wanted)
    report(Progress(Kind.STEP, f"Reading {one.key} back to verify it"))
    return verify(aws, where.bucket, where.cluster, one.key, (one.epoch, one.revision), report=report)


def verify(
    aws: Aws, bucket: str, cluster: str, key: str, standing: tuple[int, int], *, report: Reporter = silent
) -> Verified:
    """Read a snapshot back and return what is known of it.

    The disk holds at most the one snapshot, and only while etcdutl looks at it; without etcdutl, nothing.

    Args:
        aws: account and region.
        bucket: the cluster's backup bucket.
        cluster: its name.
        key: of the snapshot.
        standing: epoch and revision, by its key.
        report: is told how far the reading is.

    Raises:
        DamagedError: it is gone, damaged, of another cluster, or nobody can say what it was.
        FileError: the disk has no room for it.
        AwsError: S3 refuses, or KMS does.
    """
    etcdutl = shutil.which("etcdutl")
    answer = _open(aws, bucket, key)
    claims = Claims(key, answer["ContentLength"], *standing, answer["Metadata"])
    with contextlib.closing(answer["Body"]) as body:
        for wrong in (foreign(claims, cluster), unproven(claims)):
            if wrong:
                raise DamagedError(wrong, remedy=_CHOOSE)
        with _room(claims.size if etcdutl else 0) as file:
            sums = _read(body, claims, file, report)
            if wrong := damage(claims, sums):
                raise DamagedError(wrong, remedy=_CHOOSE)
            said = _ask_etcdutl(etcdutl, Path(file.name), claims) if etcdutl and file else "not on PATH, not asked"
    return Verified(key, claims.epoch, claims.revision, claims.size, sums.sha256, said)


def _open(aws: Aws, bucket: str, key: str) -> Any:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"fetching s3://{bucket}/{key}"):
        try:
            return aws.client("s3").get_object(Bucket=bucket, Key=key, ExpectedBucketOwner=aws.account)
        except ClientError as error:
            if code_of(error) not in NO_OBJECT:
                raise
            raise DamagedError(f"There is no snapshot {key} in s3://{bucket}.", remedy=_CHOOSE) from error


@contextlib.contextmanager
def _room(wanted: int) -> Iterator[BinaryIO | None]:
    """Give a file that is gone afterwards, for so many bytes; None for no bytes."""
    if not wanted:
        yield None
        return
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    if free < wanted + _SPARE:
        raise FileError(
            f"{folder} has {size(free)} free; the snapshot needs {size(wanted)} while etcdutl looks at it.",
            remedy="Name a larger folder with TMPDIR, or free space.",
        )
    with tempfile.NamedTemporaryFile(prefix="kubecfn-", suffix=".db", dir=folder) as file:
        yield file  # type: ignore[misc]


def _read(body: Any, claims: Claims, file: BinaryIO | None, report: Reporter) -> Sums:
    sums, told = Sums(), 0
    with doing(f"reading {claims.key}"):
        for piece in body.iter_chunks(_PIECE):
            sums.add(piece)
            if file:
                file.write(piece)
            tenth = 10 * sums.length // max(1, claims.size)
            if claims.size >= _WORTH_TELLING and tenth > told:
                told = tenth
                text = f"Read {size(sums.length)} of {size(claims.size)}"
                report(Progress(Kind.DOWNLOAD, text, tenth, 10, detail={"key": claims.key}))
    if file:
        file.flush()
    return sums


def _ask_etcdutl(program: str, path: Path, claims: Claims) -> str:
    """Return what etcdutl said; its word on the revision must be the snapshot's own."""
    command = [program, "snapshot", "status", str(path), "--write-out=json"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_ETCDUTL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"could not be run ({error})"
    if ended.returncode:
        said = [line.strip() for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
        loud = [line for line in said if line.startswith(("Error:", "panic:"))] or said[-1:] or ["it gave no reason"]
        words = loud[0].rstrip(".")[:300]
        raise DamagedError(f"etcdutl does not take {claims.key} for a snapshot: {words}.", remedy=_CHOOSE)
    try:
        found = json.loads(ended.stdout)
        revision, keys = int(found["revision"]), int(found["totalKey"])
    except (ValueError, KeyError, TypeError):
        return "answered in a form that is not known here"
    if revision != claims.revision:
        raise DamagedError(
            f"{claims.key} says revision {claims.revision}, but etcdutl finds revision {revision} in it.",
            remedy=_CHOOSE,
        )
    return f"revision {revision}, {keys} keys"
