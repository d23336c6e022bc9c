"""Auto scaling, instances, events and functions of the embedded AWS, where moto keeps a list and nothing lives."""

from __future__ import annotations

from functools import partial

from kubecfn.local.api import Handler, Service
from kubecfn.local.fleet import groups, lifecycle, members, tagging
from kubecfn.local.fleet.hands import Hands
from kubecfn.local.fleet.machines import Machines, ProcessMachines
from kubecfn.local.fleet.model import Book
from kubecfn.local.fleet.notices import Notices
from kubecfn.local.fleet.reconcile import Reconciler
from kubecfn.local.world import World


def service(world: World, machines: Machines | None = None) -> Service:
    """Start the fleet.

    Args:
        world: surroundings.
        machines: what runs instances; processes below ``world.workdir`` when left out.
    """
    book = Book(world)
    running = machines or ProcessMachines()
    notices = Notices(world, lambda _region, _event: None)
    hands = Hands(world, running, notices)
    reconciler = Reconciler(book, hands, notices)
    reconciler.start()
    operations: dict[tuple[str, str], Handler] = {}
    for table in (groups.OPERATIONS, members.OPERATIONS, lifecycle.OPERATIONS, tagging.OPERATIONS):
        operations |= {("autoscaling", name): partial(handler, book) for name, handler in table.items()}

    def close() -> None:
        reconciler.close()
        hands.close()
        running.close()

    return Service(operations, close)
