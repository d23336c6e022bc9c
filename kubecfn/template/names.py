"""The names that more than one part must agree on before the things they name exist."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from troposphere import Ref, Sub

from kubecfn.config import Config, Pool
from kubecfn.errors import WrongUseError
from kubecfn.template.network import Network

# Given, not made up by CloudFormation: functions, rules and rights that must exist before the group name it
# (docs/decisions/0002).
CONTROLLERS_GROUP = Sub("${AWS::StackName}-controllers")
CONTROLLERS_HOOK = Sub("${AWS::StackName}-controller-terminating")
WORKERS_HOOK = Sub("${AWS::StackName}-worker-terminating")


@dataclass(frozen=True)
class PoolGroup:
    """One auto scaling group of a pool.

    Attributes:
        logical_id: ``PoolGeneral``, or ``PoolGeneral1`` for the first zone's group.
        subnets: where its instances run.
    """

    logical_id: str
    subnets: tuple[Ref, ...]


def pool_id(pool: Pool) -> str:
    """Return ``PoolBigMemory`` for the pool big-memory."""
    return "Pool" + "".join(word.capitalize() for word in pool.name.split("-"))


def pool_groups(config: Config, network: Network) -> dict[str, tuple[PoolGroup, ...]]:
    """Return every pool's groups by the pool's name.

    Raises:
        WrongUseError: two pools' names give one logical id, or a pool names a zone that is not known to be used.
    """
    groups = {pool.name: _groups(pool, network) for pool in config.pools}
    ids = [group.logical_id for several in groups.values() for group in several]
    used = Counter([*ids, *(f"{name}LaunchTemplate" for name in ids)])
    for name, count in used.items():
        if count > 1:
            raise WrongUseError(
                f"Two pools of {config.name} would both be {name} in the template.",
                remedy="CloudFormation's names have no '-': rename one of the pools.",
            )
    return groups


def _groups(pool: Pool, network: Network) -> tuple[PoolGroup, ...]:
    name = pool_id(pool)
    if pool.zones == "all":
        return (PoolGroup(name, network.private_subnets),)
    if pool.zones == "each":
        return tuple(PoolGroup(f"{name}{n}", (subnet,)) for n, subnet in enumerate(network.private_subnets, 1))
    for zone in pool.zones:
        if zone not in network.zones:
            raise WrongUseError(
                f"pool {pool.name}: the zone {zone} is not known to be one of the cluster's.",
                remedy="Write the zones' names in network.zones (existing subnets: their zone), or zones: all.",
            )
    subnets = dict(zip(network.zones, network.private_subnets, strict=False))
    return (PoolGroup(name, tuple(subnets[zone] for zone in pool.zones)),)
