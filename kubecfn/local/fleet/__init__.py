"""Auto scaling, instances, events and functions of the embedded AWS, where moto keeps a list and nothing lives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from moto.awslambda.models import lambda_backends
from moto.core.utils import get_service_model

from kubecfn.local.api import Answer, Call, Handler, PassOnError, Service, ServiceError
from kubecfn.local.fleet import groups, interfaces, lifecycle, members, tagging, volumes
from kubecfn.local.fleet.agenda import Agenda
from kubecfn.local.fleet.asynchronous import Queue
from kubecfn.local.fleet.console import console_output
from kubecfn.local.fleet.events import Bus, put_events
from kubecfn.local.fleet.functions import Functions, invoke
from kubecfn.local.fleet.hands import Hands
from kubecfn.local.fleet.kept import keep
from kubecfn.local.fleet.machines import Machines, ProcessMachines
from kubecfn.local.fleet.model import Book
from kubecfn.local.fleet.notices import Notices
from kubecfn.local.fleet.reconcile import Reconciler
from kubecfn.local.fleet.schedules import Schedules
from kubecfn.local.fleet.shown import views
from kubecfn.local.fleet.spot import interrupt
from kubecfn.local.world import World


@dataclass(frozen=True)
class Fleet(Service):
    """The service, and what a test may want to reach into.

    Attributes:
        bus: its `deliveries` and its `disturb`.
        machines: what runs the instances.
        interrupt: takes a spot instance back, by its region and id.
    """

    bus: Bus
    machines: Machines
    interrupt: Callable[[str, str], None]


def service(world: World, machines: Machines | None = None, *, concurrency: int = 1) -> Fleet:
    """Start the fleet.

    Args:
        world: surroundings.
        machines: what runs instances; processes below ``world.workdir`` when left out.
        concurrency: how many events one function runs at the same time at most.
    """
    keep()
    book, agenda, regions = Book(world), Agenda(world.clock), set[str]()
    running = machines or ProcessMachines()
    functions = Functions(world, partial(_code, world.account), concurrency=concurrency)
    queue = Queue(world, agenda, functions)
    bus = Bus(world, agenda, queue.later)
    notices = Notices(world, bus.put)
    hands = Hands(world, running, notices)
    reconciler = Reconciler(book, hands, notices)
    Schedules(world, agenda, bus, regions)
    reconciler.start()

    def close() -> None:
        reconciler.close()
        hands.close()
        agenda.close()
        queue.stop()
        functions.close()
        queue.close()
        running.close()

    operations: dict[tuple[str, str], Handler] = {
        ("autoscaling", name): partial(_refuse, name) for name in get_service_model("autoscaling").operation_names
    }
    for table in (groups.OPERATIONS, members.OPERATIONS, lifecycle.OPERATIONS, tagging.OPERATIONS):
        operations |= {("autoscaling", name): partial(handler, book) for name, handler in table.items()}
    operations |= interfaces.operations(world, functions.configuration) | volumes.operations(world)
    operations["lambda", "Invoke"] = partial(invoke, functions, queue.later)
    operations["events", "PutEvents"] = partial(put_events, bus, world)
    operations["ec2", "TerminateInstances"] = partial(_switch_off, running)
    operations["ec2", "GetConsoleOutput"] = partial(console_output, running, world)
    noted = {key: _noting(regions, handler) for key, handler in operations.items()}
    return Fleet(noted, close, bus, running, partial(interrupt, world, agenda, notices), views=views(running))


def _noting(regions: set[str], handler: Handler) -> Handler:
    """Remember which regions are in use: schedules are looked for in those."""

    def answer(call: Call) -> Answer:
        regions.add(call.region)
        return handler(call)

    return answer


def _switch_off(machines: Machines, call: Call) -> Answer:
    """End the machines before EC2 says that their instances are terminated: nobody may hear of a death that is not."""
    for instance_id in call.params.get("InstanceIds", ()):
        machines.stop(instance_id)
    raise PassOnError


def _refuse(name: str, _call: Call) -> Answer:
    raise ServiceError("NotEmulated", f"Not emulated: autoscaling:{name}.", 501)


def _code(account: str, region: str, name: str) -> bytes:
    """Read a function's zip where moto keeps it: GetFunction's location is an address that nobody serves."""
    code: bytes | None = lambda_backends[account][region].get_function(name).code_bytes
    if not code:
        raise ServiceError("InvalidParameterValueException", f"The code of {name} is missing: was its object uploaded?")
    return code
