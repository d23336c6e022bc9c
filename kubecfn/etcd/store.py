"""What a cluster keeps in its own bucket: the cluster object, words, leases, requests, snapshots.

    etcd/cluster.json           who made the newest epoch, how, and who was let in; conditional writes only
    etcd/words/INSTANCE.json    what data that instance says it holds; only it writes it
    etcd/leases/NAME.json       who may act alone, until when
    etcd/leaving/INSTANCE.json  since when an instance is leaving
    etcd/requests/backup.json   a person asks for a backup, the leader's agent answers
    snapshots/EPOCH/REVISION-INSTANCE.db

Errors of S3 are the callers' to see: "could not be asked" is never "is not there".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from kubecfn.etcd import keys, objects, snapshots
from kubecfn.etcd.objects import REPAIR, Found, StoreError
from kubecfn.etcd.snapshots import Snapshot

__all__ = ["Snapshot", "Store", "StoreError", "Stored", "moment", "ordered", "written"]

CLUSTER = f"{keys.STATE}cluster.json"
WORDS = f"{keys.STATE}words/"
BACKUP = f"{keys.STATE}requests/backup.json"
_FOUNDING = ("found", "restore", "survive")
_UTC = timezone.utc  # noqa: UP017  nodes run Python 3.9, which does not know datetime.UTC


@dataclass(frozen=True)
class Stored:
    """The cluster object, and the version of it that was read.

    Attributes:
        epoch: counts the times the cluster was made: founded, restored, taken over by a survivor.
        founder: the instance that makes this epoch.
        way: ``found``, ``restore`` or ``survive``.
        established: the newest epoch that acknowledged a write; 0 for none.
        token: etcd's ``--initial-cluster-token``, new in each epoch.
        snapshot: the key that is restored; empty otherwise.
        cluster_id: what etcd calls the established cluster, in lower-case hex.
        instances: since when each instance that was let in is enlisted.
        by: who wrote this version.
        at: when.
        ordered: a person ordered this restore: older data is set aside, whatever it holds.
        etag: the version; empty in what is yet to be written.
    """

    epoch: int
    founder: str
    way: str
    established: int = 0
    token: str = ""
    snapshot: str = ""
    cluster_id: str = ""
    instances: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    at: str = ""
    ordered: bool = False
    etag: str = ""


def now() -> datetime:
    """Return the time that everything in the bucket is told in."""
    return datetime.now(_UTC)


def written(at: datetime) -> str:
    """Return a moment as the bucket's objects have it, e.g. ``2026-11-21T17:10:34.250Z``."""
    return at.astimezone(_UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """Return the moment that was written.

    Raises:
        ValueError: it is no moment.
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # noqa: FURB162  Python 3.9 does not read a "Z"


def ordered(
    stored: Stored | None, *, snapshot: Snapshot, founder: str, present: Iterable[str], by: str, at: datetime
) -> Stored:
    """Return the object by which a person orders a restore, to be written over what was read.

    Every controller with older data then sets it aside, and the founder restores once all of them have.

    Args:
        stored: the object as it was read; None when there is none.
        snapshot: what is restored; fetched and verified before.
        founder: a running instance of the group.
        present: every instance of the group that is not terminated: each has to say that its data is set aside.
        by: who ordered it.
        at: when.
    """
    number = max(stored.epoch if stored else 0, snapshot.epoch) + 1
    known = stored.instances if stored else {}
    return Stored(
        epoch=number,
        founder=founder,
        way="restore",
        established=stored.established if stored else snapshot.epoch,
        token=f"epoch-{number}-{founder}",
        snapshot=snapshot.key,
        instances={one: known.get(one) or written(at) for one in sorted({*known, *present, founder})},
        by=by,
        at=written(at),
        ordered=True,
    )


class Store:
    """A cluster's bucket.

    Args:
        s3: a boto3 client.
        bucket: its name.
        cluster: whose it is; objects of another cluster are refused.
        clock: the time now; tests pass their own.
        address: a node's own, to stand in its words: EC2 forgets a terminated instance's.
    """

    def __init__(
        self, s3: Any, bucket: str, cluster: str, *, clock: Callable[[], datetime] = now, address: str = ""
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._cluster = cluster
        self._clock = clock
        self._address = address

    def read(self) -> Stored | None:
        """Return the cluster object; None when there is none.

        Raises:
            StoreError: it is another cluster's, or not what it must be.
        """
        found = objects.read(self._s3, self._bucket, CLUSTER)
        return self._stored(found) if found else None

    def create(self, new: Stored) -> Stored | None:
        """Write the first cluster object; None when somebody else did."""
        return self._write(new, "")

    def replace(self, old: Stored, new: Stored) -> Stored | None:
        """Write over what was read; None when somebody else did meanwhile."""
        return self._write(new, old.etag)

    def _write(self, new: Stored, over: str) -> Stored | None:
        told = asdict(replace(new, at=new.at or written(self._clock())))
        del told["etag"]
        found = objects.write(self._s3, self._bucket, CLUSTER, {**told, "cluster": self._cluster}, over)
        return self._stored(found) if found else None

    def _stored(self, found: Found) -> Stored:
        where = f"s3://{self._bucket}/{CLUSTER}"
        told = dict(found.fields)
        owner = told.pop("cluster", None)
        if owner != self._cluster:
            raise StoreError(f"{where} is of the cluster {owner!r}, not of {self._cluster!r}; give each its own bucket")
        known = {one.name for one in fields(Stored)} - {"etag"}
        try:
            stored = Stored(**{name: told[name] for name in known if name in told}, etag=found.etag)
            _check(stored)
        except (TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"{where} is not what it must be ({error}); {REPAIR}") from error
        return stored

    def words(self, of: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """Return what each instance says, by instance: all of it was so at one moment.

        What was written again while the others were read is left out: not to have said is the safe answer.

        Args:
            of: whose words alone are wanted; everyone's by default.
        """
        wanted = None if of is None else {f"{WORDS}{one}.json" for one in of}
        read: dict[str, Found] = {}
        for entry in objects.listed(self._s3, self._bucket, WORDS):
            if wanted is not None and entry["Key"] not in wanted:
                continue
            found = objects.read(self._s3, self._bucket, entry["Key"])
            if found:
                read[entry["Key"]] = found
        still = {entry["Key"]: entry["ETag"] for entry in objects.listed(self._s3, self._bucket, WORDS)}
        return {
            key[len(WORDS) : -len(".json")]: found.fields
            for key, found in read.items()
            if found.etag == still.get(key) and key.endswith(".json")
        }

    def say(self, instance: str, word: Mapping[str, Any]) -> None:
        """Write an instance's own word: ``epoch``, ``index`` (None: withdrawn), ``data``, ``lost``; and its address."""
        told = {**word, "at": written(self._clock()), **({"address": self._address} if self._address else {})}
        objects.put(self._s3, self._bucket, f"{WORDS}{instance}.json", told)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return every snapshot, the newest first."""
        return snapshots.newest_first(objects.listed(self._s3, self._bucket, keys.SNAPSHOTS))

    def head(self, key: str) -> dict[str, str]:
        """Return a snapshot's metadata: sha256, cluster, revision, epoch, etcd-version, cluster-id, size."""
        return snapshots.metadata(self._s3, self._bucket, key)

    def fetch(self, key: str, target: Path) -> dict[str, str]:
        """Bring a snapshot to a file, verified; return its metadata.

        Raises:
            StoreError: it is another cluster's, or damaged.
        """
        return snapshots.fetch(self._s3, self._bucket, self._cluster, key, target)

    def put_snapshot(
        self, path: Path, *, epoch: int, revision: int, instance: str, etcd_version: str, cluster_id: str
    ) -> str:
        """Upload a snapshot unless it is there; return its key."""
        key = keys.snapshot(epoch, revision, instance)
        about = {
            "cluster": self._cluster,
            "revision": str(revision),
            "epoch": str(epoch),
            "etcd-version": etcd_version,
            "cluster-id": cluster_id,
        }
        snapshots.upload(self._s3, self._bucket, key, path, about)
        return key

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take or prolong a lease; say whether this holder has it now."""
        key = f"{keys.STATE}leases/{name}.json"
        found = objects.read(self._s3, self._bucket, key)
        at = self._clock()
        taken = found is not None and found.fields["holder"] != holder and moment(found.fields["until"]) > at
        if taken:
            return False
        told = {"holder": holder, "until": written(at + timedelta(seconds=seconds))}
        return objects.write(self._s3, self._bucket, key, told, found.etag if found else "") is not None

    def release(self, name: str, holder: str) -> None:
        """Give a lease back; one that somebody else took over stays theirs."""
        key = f"{keys.STATE}leases/{name}.json"
        found = objects.read(self._s3, self._bucket, key)
        if found and found.fields["holder"] == holder:
            objects.write(self._s3, self._bucket, key, {**found.fields, "until": written(self._clock())}, found.etag)

    def leaving(self, instance: str) -> datetime:
        """Return since when this instance is leaving: the first time that this was asked."""
        key = f"{keys.STATE}leaving/{instance}.json"
        since = {"since": written(self._clock())}
        found = (
            objects.read(self._s3, self._bucket, key)
            or objects.write(self._s3, self._bucket, key, since)
            or objects.read(self._s3, self._bucket, key)
        )
        return moment((found.fields if found else since)["since"])

    def request_backup(self, wanted: str, by: str) -> None:
        """Ask the leader's agent for a backup now; an older request that was not answered is replaced."""
        told = {"id": wanted, "by": by, "at": written(self._clock())}
        objects.put(self._s3, self._bucket, BACKUP, told)

    def backup_request(self) -> Found | None:
        """Return the last request: with ``done`` or ``error`` in its fields it was answered."""
        return objects.read(self._s3, self._bucket, BACKUP)

    def answer_backup(self, request: Found, *, done: str = "", error: str = "") -> bool:
        """Answer a request with the snapshot's key or why there is none; False when a newer request replaced it."""
        told = {"id": request.fields.get("id"), "at": written(self._clock())}
        told |= {"done": done} if done else {"error": error}
        return objects.write(self._s3, self._bucket, BACKUP, told, request.etag) is not None


def _check(stored: Stored) -> None:
    """Refuse what would be read wrongly later."""
    for name in ("epoch", "established"):
        value = getattr(stored, name)
        if type(value) is not int or value < 0:
            raise ValueError(f"{name} is {value!r}, not a whole number")
    if stored.way not in _FOUNDING:
        raise ValueError(f"way is {stored.way!r}, not one of {', '.join(_FOUNDING)}")
    for instance, since in stored.instances.items():
        try:
            moment(since)
        except ValueError:
            raise ValueError(f"instances.{instance} is {since!r}, not a moment") from None
