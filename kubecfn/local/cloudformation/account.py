"""Everything CloudFormation keeps for one account, handed to each operation."""

from __future__ import annotations

from dataclasses import dataclass

from kubecfn.local.cloudformation.changesets import ChangeSets
from kubecfn.local.cloudformation.engine import Engine
from kubecfn.local.cloudformation.signals import Signals
from kubecfn.local.cloudformation.stacks import Stacks
from kubecfn.local.cloudformation.surroundings import Surroundings


@dataclass(frozen=True)
class Account:
    """The parts, wired together."""

    around: Surroundings
    stacks: Stacks
    signals: Signals
    change_sets: ChangeSets
    engine: Engine
