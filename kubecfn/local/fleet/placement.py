"""Where the next instance goes, which one leaves first, and what it is bought as. Pure: no clock, no network.

1. A new instance goes to the zone that has the fewest.
2. An instance leaves from the zone that has the most, unless it is protected; inside the zone the termination policies decide.
3. Of a mixed group the base and the percentage above it are on-demand, rounded up; the rest is spot.

Sources: Auto Scaling User Guide, "Configure termination policies for Amazon EC2 Auto Scaling", "Example: Distribute
instances across Availability Zones"; API reference, InstancesDistribution.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kubecfn.local.fleet.model import Group, Member

# What AWS calls unbalanced: one zone has at least two more than another.
UNBALANCED_BY = 2

POLICIES = frozenset(
    {
        "Default",
        "OldestInstance",
        "NewestInstance",
        "OldestLaunchTemplate",
        "OldestLaunchConfiguration",
        "AllocationStrategy",
        "ClosestToNextInstanceHour",
    }
)


def next_subnet(group: Group) -> str:
    """Return the subnet for a new instance: fewest in its zone, then fewest in the subnet, then first named."""
    counted = group.counted()
    by_zone = Counter(member.zone for member in counted)
    by_subnet = Counter(member.subnet for member in counted)
    return min(group.zones, key=lambda subnet: (by_zone[group.zones[subnet]], by_subnet[subnet]))


def unbalanced(group: Group) -> bool:
    """Whether an instance should move to a poorer zone."""
    counts = _zone_counts(group)
    return bool(counts) and max(counts.values()) - min(counts.values()) >= UNBALANCED_BY


def victims(group: Group, surplus: int) -> list[Member]:
    """Return the instances to terminate for a scale-in of `surplus`, first to go first."""
    left = [member for member in group.counted() if not member.protected]
    counts = _zone_counts(group)
    chosen: list[Member] = []
    while left and len(chosen) < surplus:
        richest = max(counts[member.zone] for member in left)
        zone = [member for member in left if counts[member.zone] == richest]
        member = _first_to_go(zone, group.settings.get("TerminationPolicies") or ["Default"])
        chosen.append(member)
        left.remove(member)
        counts[member.zone] -= 1
    return chosen


def wants_spot(distribution: Mapping[str, Any], counted: Iterable[Member], desired: int) -> bool:
    """Whether the next instance is spot.

    Args:
        distribution: the API's InstancesDistribution; absent members have AWS's defaults (base 0, 100 %).
        counted: what runs already.
        desired: the size the group is growing to.
    """
    base = int(distribution.get("OnDemandBaseCapacity", 0))
    percentage = int(distribution.get("OnDemandPercentageAboveBaseCapacity", 100))
    on_demand = min(desired, base) + math.ceil(max(0, desired - base) * percentage / 100)
    return sum(not member.spot for member in counted) >= on_demand


def _zone_counts(group: Group) -> Counter[str]:
    counts = Counter(member.zone for member in group.counted())
    for zone in group.zones.values():
        counts.setdefault(zone, 0)
    return counts


def _first_to_go(members: list[Member], policies: list[str]) -> Member:
    """Apply the policies in turn; each narrows the choice, the longest running one is the last word.

    AWS's last word is random; ours is not, so that a rehearsal repeats.
    """
    for policy in [*policies, "Default"]:
        members = _NARROW.get(policy, _default)(members)
    return members[0]


def _oldest_template(members: list[Member]) -> list[Member]:
    oldest = min(int(member.source.version) for member in members)
    return [member for member in members if int(member.source.version) == oldest]


def _default(members: list[Member]) -> list[Member]:
    return [min(_oldest_template(members), key=lambda m: (m.launched, m.id))]


_NARROW: dict[str, Callable[[list[Member]], list[Member]]] = {
    "OldestInstance": lambda members: [min(members, key=lambda m: (m.launched, m.id))],
    "NewestInstance": lambda members: [max(members, key=lambda m: (m.launched, m.id))],
    "OldestLaunchTemplate": _oldest_template,
    # There are no launch configurations and no prices here: these two narrow nothing.
    "OldestLaunchConfiguration": lambda members: members,
    "AllocationStrategy": lambda members: members,
    "ClosestToNextInstanceHour": lambda members: members,
}
