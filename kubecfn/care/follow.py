"""Following a restore until the function says that etcd is settled in the epoch that was ordered; nothing here changes anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubecfn.care.ask import Function, SilentError, function
from kubecfn.care.bucket import reading, store
from kubecfn.care.report import Report, epoch_line, epoch_of
from kubecfn.care.restore import Ordered, OvertakenError
from kubecfn.care.status import look
from kubecfn.care.where import Where
from kubecfn.deploy.aws import Aws, is_passing
from kubecfn.deploy.progress import Kind, Work
from kubecfn.deploy.stopping import DetachedError
from kubecfn.errors import AwsError, KubecfnError
from kubecfn.etcd.store import Stored

_POLL_SECONDS = 5.0
# Reading a large snapshot and joining one by one takes minutes; after that a person should look.
PATIENCE_SECONDS = 1200.0


class UnsettledError(KubecfnError):
    """A restore was ordered and stands; the cluster is not settled yet."""


@dataclass(frozen=True)
class Restored:
    """How a restore ended."""

    epoch: int
    snapshot: str
    founder: str
    reason: str
    seconds: float

    @property
    def line(self) -> str:
        """It in one plain line."""
        return f"Restored {self.snapshot} as epoch {self.epoch} after {self.seconds:.0f} s: {self.reason}."

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "epoch": self.epoch,
            "snapshot": self.snapshot,
            "founder": self.founder,
            "settled": True,
            "reason": self.reason,
            "seconds": round(self.seconds, 1),
        }


def follow(aws: Aws, where: Where, ordered: Ordered, work: Work, *, patience: float = PATIENCE_SECONDS) -> Restored:
    """Watch until the restored cluster is settled.

    Args:
        aws: account and region.
        where: the cluster's places.
        ordered: what was ordered.
        work: how to wait and report.
        patience: seconds.

    Raises:
        OvertakenError: somebody began another epoch meanwhile.
        UnsettledError: it is not settled after `patience`.
        DetachedError: Ctrl-C; the restore goes on.
        AwsError: AWS refuses.
    """
    started = work.clock.monotonic()
    watched = _Watch(aws, where, ordered, work, ordered.stored)
    try:
        while True:
            report = watched.once()
            spent = work.clock.monotonic() - started
            if report:
                stored = watched.stored
                return Restored(stored.epoch, stored.snapshot, stored.founder, report.reason, spent)
            if spent >= patience:
                raise UnsettledError(
                    f"The restore stands, but etcd is not settled after {spent:.0f} s: {watched.last}.",
                    remedy="See how it goes on with kubecfn status, and what the controllers say with kubecfn why; a controller "
                    "that does not answer has to be terminated, the group replaces it.",
                )
            work.clock.sleep(_POLL_SECONDS)
    except KeyboardInterrupt as interrupt:
        raise DetachedError(where.cluster, "etcd is being restored", work.come_back) from interrupt


@dataclass
class _Watch:
    aws: Aws
    where: Where
    ordered: Ordered
    work: Work
    stored: Stored
    asked: Function | None = None
    last: str = ""

    def once(self) -> Report | None:
        """Look once; return the report when it is done."""
        try:
            stored = self.stored = self._stored()
            if stored.established < stored.epoch:
                self._tell(f"Waiting for {stored.founder} to restore the snapshot{self._first(stored)}")
                return None
            report = self._report()
        except SilentError as error:
            self._tell(f"Established; waiting for the function to say how etcd is ({error.message.rstrip('.')})")
            return None
        except AwsError as error:
            if not is_passing(error):
                raise
            self._tell(f"{error.message} Still trying")
            return None
        if report.settled and report.epoch.get("number") == stored.epoch:
            return report
        self._tell(f"Restored; {len(report.voters)} of {report.size} voters: {report.reason}")
        return None

    def _stored(self) -> Stored:
        with reading("reading the cluster object"):
            found = store(self.aws, self.where.bucket, self.where.cluster).read()
        mine = self.ordered.stored
        # A founder that was terminated is followed by another, in an epoch of its own, with the same order.
        if found is None or found.epoch < mine.epoch or (found.way, found.snapshot) != (mine.way, mine.snapshot):
            stands = epoch_line(epoch_of(found)) if found else "the cluster object was deleted"
            raise OvertakenError(
                f"The restore was overtaken: {stands}.", remedy="See how it goes on with: kubecfn status"
            )
        return found

    def _first(self, stored: Stored) -> str:
        """Return who has not said that older data is set aside; nobody restores before that."""
        with reading("reading what the controllers say"):
            said = store(self.aws, self.where.bucket, self.where.cluster).words()
        spoken = {one for one, word in said.items() if word.get("epoch") == stored.epoch and word.get("index") == 0}
        missing = sorted(stored.instances.keys() - spoken - {stored.founder})
        return f"; first {', '.join(missing)} must set data aside, or be terminated" if missing else ""

    def _report(self) -> Report:
        if self.asked is None:
            self.asked = function(self.aws, self.where.function, self.where.cluster)
        return look(self.asked)

    def _tell(self, text: str) -> None:
        if text != self.last:
            self.last = text
            self.work.tell(Kind.STEP, text)
