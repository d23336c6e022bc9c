"""What the next version of the cluster object carries on from the one before."""

from datetime import UTC, datetime

import member_world  # noqa: F401  it says where the agent's packages are
import pytest
from member import claims

from kubecfn.etcd.store import Stored, written
from kubecfn.etcd.view import Epoch, Machine, Start, Word

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = "2026-11-21T10:00:00.000Z"
GONE = (Word("i-a", Machine.TERMINATED), Word("i-b", Machine.RUNNING, 0))


class Bucket:
    """A store that takes whatever is written."""

    def create(self, new):
        """Write the first."""
        return new

    def replace(self, old, new):
        """Write the next."""
        return new


@pytest.mark.parametrize(("established", "ordered", "carried"), [(2, True, False), (1, True, True), (1, False, False)])
def test_a_claim_carries_on_what_was_established_and_an_order_that_was_not_carried_out(established, ordered, carried):
    """What a founder forgot would let old data pass for new, or everyone ignore a person's order."""
    old = Stored(2, "i-a", "restore", established, "t", "s", "abc", {"i-a": AT, "i-b": AT}, ordered=ordered)
    seen = Epoch(2, "i-a", Start.RESTORE, established, GONE, ordered)

    new = claims.take(Bucket(), old, seen, me="i-c", way=Start.RESTORE, snapshot="s", at=NOW)

    assert (new.epoch, new.founder, new.way, new.snapshot, new.cluster_id) == (3, "i-c", "restore", "s", "")
    assert (new.established, new.ordered) == (established, carried)
    assert dict(new.instances) == {"i-b": AT, "i-c": written(NOW)}
    assert new.token != old.token


def test_the_first_claim_names_only_its_founder():
    """Nobody else was let in yet."""
    new = claims.take(Bucket(), None, None, me="i-c", way=Start.FOUND, snapshot="", at=NOW)

    assert (new.epoch, new.established, dict(new.instances)) == (1, 0, {"i-c": written(NOW)})
