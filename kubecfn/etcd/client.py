"""Everything that is asked of one etcd member, through its JSON gateway; etcd 3.5 and 3.6 alike.

The gateway's habits (measured): numbers of 64 bits are decimal strings, zero and false are left out, bytes are base64.
"""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kubecfn.etcd.gateway import FAILED_PRECONDITION, NOT_FOUND, UNKNOWN, Call, EtcdError, tls
from kubecfn.etcd.names import CLIENT_PORT

__all__ = ["QUOTA_BYTES", "Client", "EtcdError", "Listed", "Status", "tls"]

# What members run with (quota-backend-bytes); 3.6 tells it, 3.5 does not. etcd documentation, "System limits": 8 GiB is the
# most that is advised, 2 GiB the default. At 4 GiB a snapshot still reaches a new member within a minute.
QUOTA_BYTES = 4 * 1024**3
_Answer = dict[str, Any]
_Read = TypeVar("_Read")
_TRAILER = hashlib.sha256().digest_size
_PAGE = 512  # bytes; bbolt files are a multiple of it


@dataclass(frozen=True)
class Status:
    """What a member says about itself; it answers without quorum too. Ids as in `Listed`; sizes in bytes.

    `leader`: empty when it knows none. `raft_index`: of the last committed entry. `errors`: etcd's own words: alarms,
    no leader. `db_quota`: 0 when it does not tell, as before 3.6.
    """

    member: str
    cluster: str
    leader: str
    version: str
    revision: int
    raft_index: int
    raft_term: int
    db_size: int
    db_in_use: int
    learner: bool
    errors: tuple[str, ...] = ()
    db_quota: int = 0


@dataclass(frozen=True)
class Listed:
    """One entry of the member list. `id`: hexadecimal without 0x, as etcdctl prints it. `name`: empty until it starts."""

    id: str
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    learner: bool


@dataclass(frozen=True)
class Client:
    """One member. Every method raises EtcdError, and never takes longer than its timeout.

    Args:
        address: where its clients' port is.
        tls: trusts etcd's authority and shows a client's certificate.
        port: of its clients.
        timeout: seconds for one call as a whole.
    """

    address: str
    tls: ssl.SSLContext
    port: int = CLIENT_PORT
    timeout: float = 3.0

    def linearizable(self) -> None:
        """Read one key through a quorum: alone of all calls, its success proves one."""
        self._ask(
            "kv/range", {"key": _base64(b"\0"), "count_only": True}, lambda answer: answer["header"]["cluster_id"]
        )

    def status(self) -> Status:
        """Return what the member says about itself, quorum or not; a learner answers too."""
        return self._ask("maintenance/status", {}, _status)

    def members(self) -> tuple[Listed, ...]:
        """Return the member list as a quorum knows it."""
        return self._ask("cluster/member/list", {"linearizable": True}, _members)

    def any_members(self) -> tuple[Listed, ...]:
        """Return the member list as this voter knows it; it may be old, and proves nothing."""
        return self._ask("cluster/member/list", {"linearizable": False}, _members)

    def add_learner(self, peer_url: str) -> tuple[str, tuple[Listed, ...]]:
        """Add a member that does not vote yet; return its id and the list with it, the new one without a name.

        Its id is made of the URL and the second: a URL whose member was removed in this very second is refused with
        "member not found"; a second later it is not.
        """
        body = {"peerURLs": [peer_url], "isLearner": True}
        return self._ask("cluster/member/add", body, lambda answer: (_hex(answer["member"]["ID"]), _members(answer)))

    def promote(self, member: str) -> None:
        """Let a learner vote; to be a voter already is success, for an earlier answer may have been lost."""
        try:
            self._ask("cluster/member/promote", {"ID": _decimal(member)}, _header)
        except EtcdError as error:
            if error.code != FAILED_PRECONDITION or not error.message.endswith("can only promote a learner member"):
                raise

    def remove(self, member: str) -> None:
        """Remove a member; that it is not there is success."""
        try:
            self._ask("cluster/member/remove", {"ID": _decimal(member)}, _header)
        except EtcdError as error:
            if error.code != NOT_FOUND or "member not found" not in error.message:
                raise

    def move_leader(self, to: str) -> None:
        """Hand leadership to a voter; only the leader does it."""
        self._ask("maintenance/transfer-leadership", {"targetID": _decimal(to)}, _anything)

    def alarms(self) -> tuple[tuple[str, str], ...]:
        """Return each alarm as a member's id and a name: ``NOSPACE``, ``CORRUPT``. Needs a quorum."""
        return self._ask("maintenance/alarm", {"action": "GET"}, _alarms)

    def disarm(self, member: str, alarm: str) -> None:
        """Put an alarm out."""
        body = {"action": "DEACTIVATE", "memberID": _decimal(member), "alarm": alarm}
        self._ask("maintenance/alarm", body, _header)

    def defragment(self, timeout: float) -> None:
        """Give the disk back what the store no longer uses; the member serves nobody meanwhile."""
        self._ask("maintenance/defragment", {}, _anything, timeout)

    def hash_kv(self, revision: int = 0) -> tuple[int, int]:
        """Return the hash of everything up to a revision (0: the newest) and that revision: equal on every member."""

        def read(answer: _Answer) -> tuple[int, int]:
            newest = answer.get("hash_revision", answer["header"].get("revision", 0))
            return int(answer.get("hash", 0)), revision or int(newest)

        return self._ask("maintenance/hashkv", {"revision": str(revision)}, read)

    def snapshot(self, target: Path, timeout: float) -> int:
        """Save the member's store to `target`, which is complete and proven or not there; return its size in bytes.

        Raises:
            OSError: `target` cannot be written.
        """
        partial = target.with_name(f"{target.name}.partial")
        try:
            with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                size = self._save(file, timeout)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return size

    def put(self, key: bytes, value: bytes) -> int:
        """Write one key; return the revision."""
        body = {"key": _base64(key), "value": _base64(value)}
        return self._ask("kv/put", body, lambda answer: int(answer["header"]["revision"]))

    def get(self, key: bytes, *, serializable: bool = False) -> bytes | None:
        """Return one key's value; None when there is none. Serializable: this member's own, perhaps old, answer."""
        body = {"key": _base64(key), "serializable": serializable}
        return self._ask("kv/range", body, lambda answer: _pairs(answer).get(key))

    def range_prefix(self, prefix: bytes) -> dict[bytes, bytes]:
        """Return every key that begins with a prefix; all of it must fit into one answer of 16 MiB."""
        body = {"key": _base64(prefix or b"\0"), "range_end": _base64(_after(prefix))}
        return self._ask("kv/range", body, _pairs)

    def compact(self, revision: int, timeout: float | None = None) -> None:
        """Forget what was before a revision.

        Args:
            revision: the oldest that is kept.
            timeout: seconds; given, this member's pages are free when it returns. Else they will be soon.
        """
        body = {"revision": str(revision), "physical": timeout is not None}
        self._ask("kv/compaction", body, _header, timeout)

    def _call(self, timeout: float | None = None) -> Call:
        return Call(self.address, self.port, self.tls, self.timeout if timeout is None else timeout)

    def _ask(
        self, path: str, body: Mapping[str, Any], read: Callable[[_Answer], _Read], timeout: float | None = None
    ) -> _Read:
        answer = self._call(timeout).ask(path, dict(body))
        try:
            return read(answer)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._nonsense(path, f"{str(answer)[:80]}") from None

    def _save(self, file: Any, timeout: float) -> int:
        """Write the stream but check it as `etcdutl snapshot restore` does: its last 32 bytes are all others' SHA-256."""
        path, digest, tail, size = "maintenance/snapshot", hashlib.sha256(), b"", 0
        for piece in self._call(timeout).stream(path, {}):
            try:
                blob = base64.b64decode(piece.get("blob", ""), validate=True)
            except (TypeError, ValueError):
                raise self._nonsense(path, "a piece that is not base64") from None
            file.write(blob)
            size += len(blob)
            seen = tail + blob
            digest.update(seen[:-_TRAILER])
            tail = seen[-_TRAILER:]
        if size % _PAGE != _TRAILER or digest.digest() != tail:
            raise self._nonsense(path, f"{size} bytes that do not end in their checksum: cut off or damaged")
        return size

    def _nonsense(self, path: str, what: str) -> EtcdError:
        return EtcdError(
            UNKNOWN, f"{self.address}:{self.port} answered {path} not as etcd does: {what}", definite=False
        )


def _anything(_: _Answer) -> None:
    """Some answers are empty (measured)."""


def _header(answer: _Answer) -> None:
    int(answer["header"]["cluster_id"])


def _status(answer: _Answer) -> Status:
    header = answer["header"]
    return Status(
        member=_hex(header["member_id"]),
        cluster=_hex(header["cluster_id"]),
        leader=_hex(answer.get("leader", "0")).lstrip("0"),
        version=str(answer["version"]),
        revision=int(header.get("revision", 0)),
        raft_index=int(answer.get("raftIndex", 0)),
        raft_term=int(answer.get("raftTerm", 0)),
        db_size=int(answer.get("dbSize", 0)),
        db_in_use=int(answer.get("dbSizeInUse", 0)),
        learner=bool(answer.get("isLearner", False)),
        errors=tuple(str(error) for error in answer.get("errors", ())),
        db_quota=int(answer.get("dbSizeQuota", 0)),
    )


def _members(answer: _Answer) -> tuple[Listed, ...]:
    _header(answer)
    return tuple(
        Listed(
            id=_hex(one["ID"]),
            name=str(one.get("name", "")),
            peer_urls=tuple(one.get("peerURLs", ())),
            client_urls=tuple(one.get("clientURLs", ())),
            learner=bool(one.get("isLearner", False)),
        )
        for one in answer["members"]
    )


def _alarms(answer: _Answer) -> tuple[tuple[str, str], ...]:
    _header(answer)
    return tuple((_hex(one["memberID"]), str(one["alarm"])) for one in answer.get("alarms", ()))


def _pairs(answer: _Answer) -> dict[bytes, bytes]:
    _header(answer)
    return {base64.b64decode(one["key"]): base64.b64decode(one.get("value", "")) for one in answer.get("kvs", ())}


def _hex(number: str) -> str:
    return f"{int(number):x}"


def _decimal(member: str) -> str:
    return str(int(member, 16))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _after(prefix: bytes) -> bytes:
    """Return the first key behind every key with this prefix; zero means "to the end" (etcd API: RangeRequest)."""
    rest = prefix.rstrip(b"\xff")
    return rest[:-1] + bytes([rest[-1] + 1]) if rest else b"\0"
