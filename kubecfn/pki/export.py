"""What leaves the operator's machine: the files of each role's bundle, and the Lambdas' client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from kubecfn.errors import FileError
from kubecfn.pki.keys import PemFile
from kubecfn.pki.layout import ITEMS, NODE_DIRECTORY, Reader
from kubecfn.pki.stock import take_stock

Role = Literal["controller", "worker"]
BUNDLE_READERS: dict[Role, Reader] = {"controller": Reader.CONTROLLERS, "worker": Reader.WORKERS}


@dataclass(frozen=True)
class LambdaClient:
    """What a Lambda needs to speak to etcd.

    Attributes:
        certificate: its own, signed by the etcd authority.
        key: its own.
        authority: the certificate of the etcd authority.
    """

    certificate: PemFile
    key: PemFile
    authority: PemFile


def bundle_files(directory: Path, role: Role, *, now: datetime | None = None) -> dict[str, PemFile]:
    """Return what goes into a role's bundle, by absolute path on the node without the leading slash.

    Args:
        directory: of the set.
        role: controllers get what they sign and serve with; workers get the kubernetes authority's certificate and no
            key at all, since they join with their instance identity.
        now: aware; the present moment by default.

    Raises:
        FileError: something that the role needs is missing, not sound or has ended.
    """
    files = _readable_by(BUNDLE_READERS[role], directory, now)
    return {f"{NODE_DIRECTORY}/{path}": file for path, file in files.items()}


def lambda_client(directory: Path, *, now: datetime | None = None) -> LambdaClient:
    """Return what the Lambdas use to speak to etcd.

    Raises:
        FileError: it is missing, not sound or has ended.
    """
    files = _readable_by(Reader.LAMBDAS, directory, now)
    return LambdaClient(files["etcd/lambda-client.crt"], files["etcd/lambda-client.key"], files["etcd/ca.crt"])


def _readable_by(reader: Reader, directory: Path, now: datetime | None) -> dict[str, PemFile]:
    """Return a reader's files by path, in the layout's order."""
    stock = take_stock(directory)
    items = [item for item in ITEMS if any(reader in file.readers for file in item.files)]
    names = [item.name for item in items]
    stock.refuse(sound=names, in_time=names, now=now or datetime.now(UTC))
    for item in items:
        if not stock.held[item.name].there:
            raise FileError(f"{directory / item.files[0].path} is missing.", remedy="Run `kubecfn keys make`.")
    chosen = [(item.name, file) for item in items for file in item.files if reader in file.readers]
    return {
        file.path: PemFile(stock.held[name].files[file.path].data, 0o600 if file.secret else 0o644)
        for name, file in chosen
    }
