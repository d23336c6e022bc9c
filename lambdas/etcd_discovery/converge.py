"""Look, compare, change, and look again until nothing differs."""

from __future__ import annotations

from collections.abc import Callable

from kubecfn.etcd.journal import say

from .aws import Aws, ConflictError
from .records import changes, wanted
from .settings import Settings

# Two runs at once can each undo the other's stale half once; a third round means that something else writes too.
ROUNDS = 4


class UnsettledError(Exception):
    """The zone still differs after every round: something else keeps changing it."""


def converge(aws: Aws, settings: Settings, sleep: Callable[[float], None]) -> dict[str, int]:
    """Make the zone equal to the controllers; return how many there are and how many record sets were changed.

    After a write the group is looked at again, because a controller may have come or gone since the first look.

    Raises:
        UnsettledError: it does not become equal.
        ClientError: AWS refused a call; the zone is as it was before that call.
    """
    changed = 0
    for attempt in range(ROUNDS):
        controllers = aws.running_controllers(settings.group)
        want = wanted(settings.domain, controllers, settings.ttl)
        todo = changes(aws.records(settings.zone_id, settings.domain), want)
        if not todo:
            say("settled", "the zone lists the controllers that exist", controllers=controllers)
            return {"controllers": len(controllers), "changed": changed}
        try:
            aws.change_records(settings.zone_id, todo)
        except ConflictError as error:
            say("look-again", f"the zone changed under us: {error}")
            sleep(0.5 * 2**attempt)
            continue
        changed += len(todo)
        steps = [f"{change.action} {change.record.type} {change.record.name}" for change in todo]
        say("changed", "the zone differed from the controllers that exist", controllers=controllers, changes=steps)
    raise UnsettledError(f"zone {settings.zone_id} still differs after {ROUNDS} rounds; something else changes it")
