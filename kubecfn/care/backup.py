"""A backup on request: the leader's own agent takes it, since only it can read a large store within its limits."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.care.bucket import choices, reading, store
from kubecfn.care.choose import Choice
from kubecfn.care.where import Where
from kubecfn.care.words import size
from kubecfn.deploy.aws import Aws
from kubecfn.deploy.progress import Kind, Work
from kubecfn.errors import KubecfnError

_POLL_SECONDS = 3.0
# An agent looks for requests every few seconds; the rest is for reading and sending a large store.
PATIENCE_SECONDS = 300.0


class NoBackupError(KubecfnError):
    """No backup was made."""


@dataclass(frozen=True)
class Made:
    """What came of a request.

    Attributes:
        new: False when nothing was written since the snapshot that is named: it is the backup.
    """

    choice: Choice
    new: bool

    @property
    def line(self) -> str:
        """It in one plain line."""
        one = self.choice
        about = f"{one.key} (epoch {one.epoch}, revision {one.revision}, {size(one.size)})"
        return f"Backed up: {about}." if self.new else f"Nothing was written since the last snapshot, which is {about}."

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**self.choice.to_json(), "new": self.new}


def backup(aws: Aws, where: Where, work: Work, *, patience: float = PATIENCE_SECONDS) -> Made:
    """Ask for a backup and wait until the leader's agent has answered.

    Of two operators who ask at once the later request stands; its answer is as good for the earlier one.

    Args:
        aws: account and region.
        where: the cluster's bucket.
        work: how to wait and report.
        patience: seconds.

    Raises:
        NoBackupError: nobody answered in time, or the agent could not do it.
        AwsError: S3 refuses.
    """
    before = {one.key for one in choices(aws, where.bucket)}
    mine = secrets.token_hex(8)
    kept = store(aws, where.bucket, where.cluster)
    with reading("asking for a backup"):
        kept.request_backup(mine, aws.caller)
    work.tell(Kind.STEP, "Asked the leader's agent for a backup; waiting for its answer")
    end = work.clock.monotonic() + patience
    asked = mine
    while True:
        with reading("waiting for the backup"):
            found = kept.backup_request()
        told = found.fields if found else {}
        if told.get("done") or told.get("error"):
            return _answered(aws, where, told, before)
        if told.get("id", asked) != asked:
            asked = str(told["id"])
            work.tell(Kind.NOTE, f"{told.get('by', 'Somebody else')} has asked for a backup too; theirs is ours")
        if work.clock.monotonic() >= end:
            raise NoBackupError(
                f"No controller of {where.cluster} answered within {patience:.0f} s.",
                remedy="See with kubecfn status whether etcd has a leader; the request stands, and its agent answers when it can.",
            )
        work.clock.sleep(_POLL_SECONDS)


def _answered(aws: Aws, where: Where, told: Mapping[str, Any], before: Collection[str]) -> Made:
    if told.get("error"):
        raise NoBackupError(
            f"The leader's agent could not back up {where.cluster}: {str(told['error']).rstrip('.')}.",
            remedy="Its own log says more: kubecfn why. It tries again by itself.",
        )
    key = str(told["done"])
    choice = next((one for one in choices(aws, where.bucket) if one.key == key), None)
    if choice is None:
        raise NoBackupError(
            f"The leader's agent named {key}, which is not in s3://{where.bucket}.",
            remedy="Somebody deletes from the bucket: see its versions and CloudTrail, then repeat.",
        )
    return Made(choice, new=key not in before)
