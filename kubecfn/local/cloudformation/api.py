"""The operations of CloudFormation's API that are answered here, and the wiring behind them.

AWS: "AWS CloudFormation API Reference". What is not in the tables below is not emulated.
"""

from __future__ import annotations

from collections.abc import Callable

from kubecfn.local.api import Answer, Call, Handler, Service
from kubecfn.local.cloudformation.account import Account
from kubecfn.local.cloudformation.builtin import BUILTIN
from kubecfn.local.cloudformation.changeset_calls import CHANGE_SET_CALLS
from kubecfn.local.cloudformation.changesets import ChangeSets
from kubecfn.local.cloudformation.describe_calls import READS
from kubecfn.local.cloudformation.engine import Engine
from kubecfn.local.cloudformation.signals import Signals
from kubecfn.local.cloudformation.stack_calls import STACK_CALLS
from kubecfn.local.cloudformation.stacks import Stacks
from kubecfn.local.cloudformation.surroundings import Lookup, Surroundings
from kubecfn.local.providers.seam import Provider
from kubecfn.local.world import World


def service(world: World, provider: Lookup | None = None) -> Service:
    """Return CloudFormation for one account.

    Args:
        world: time and the API of the other services.
        provider: gives the provider of a resource type, raises UnsupportedError for others; the shipped ones by default.
    """
    lookup = provider or _shipped()

    def known(resource_type: str) -> Provider:
        return BUILTIN[resource_type] if resource_type in BUILTIN else lookup(resource_type)

    stacks = Stacks(world.clock, world.account)
    around = Surroundings(world, stacks, known)
    signals = Signals(stacks)
    account = Account(around, stacks, signals, ChangeSets(stacks), Engine(around, signals))

    def close() -> None:
        account.change_sets.close()
        account.engine.close()

    calls = {**READS, **STACK_CALLS, **CHANGE_SET_CALLS}
    return Service({("cloudformation", name): _bound(answer, account) for name, answer in calls.items()}, close)


def _bound(answer: Callable[[Account, Call], Answer], account: Account) -> Handler:
    return lambda call: answer(account, call)


def _shipped() -> Lookup:
    """Import the shipped providers only when they are used: they are the larger half of the embedded AWS."""
    from kubecfn.local.providers import provider  # noqa: PLC0415  see the docstring

    return provider
