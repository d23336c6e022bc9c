from datetime import UTC, datetime, timedelta

import pytest

from kubecfn.local.fleet.model import Group, Member, Source
from kubecfn.local.fleet.placement import next_subnet, unbalanced, victims, wants_spot

START = datetime(2026, 1, 1, tzinfo=UTC)


def group(*members, policies=("Default",), zones="abc"):
    """Make a group of members given as zone, launch template version and age rank."""
    made = Group("g", "r", "arn", START, {"TerminationPolicies": list(policies)}, {f"subnet-{z}": z for z in zones})
    for number, (zone, version, rank) in enumerate(members):
        source = Source("lt-1", "lt", str(version))
        one = Member(
            f"i-{number}",
            zone,
            f"subnet-{zone}",
            "m5.large",
            source,
            spot=False,
            launched=START + timedelta(hours=rank),
        )
        one.state = "InService"
        made.members[one.id] = one
    return made


@pytest.mark.parametrize(
    ("zones", "subnet"),
    [("", "subnet-a"), ("a", "subnet-b"), ("abc", "subnet-a"), ("bbca", "subnet-a"), ("aab", "subnet-c")],
)
def test_the_next_instance_goes_to_the_emptiest_zone(zones, subnet):
    """Fewest instances first, then the order of VPCZoneIdentifier."""
    assert next_subnet(group(*[(zone, 1, 0) for zone in zones])) == subnet


@pytest.mark.parametrize(
    ("zones", "answer"), [("abc", False), ("aab", True), ("aabbc", False), ("aaabb", True), ("", False)]
)
def test_two_more_in_one_zone_than_in_another_is_unbalanced(zones, answer):
    """A difference of one is as balanced as it gets."""
    assert unbalanced(group(*[(zone, 1, 0) for zone in zones])) is answer


MIXED = [("a", 2, 0), ("b", 1, 3), ("c", 1, 1), ("c", 2, 2)]


@pytest.mark.parametrize(
    ("policies", "first"),
    [
        (["Default"], "i-2"),  # zone c has two; of these the older template version goes
        (["OldestInstance"], "i-2"),
        (["NewestInstance"], "i-3"),
        (["OldestLaunchTemplate", "NewestInstance"], "i-2"),
    ],
)
def test_the_richest_zone_loses_one_and_the_policies_say_which(policies, first):
    """Zones come before policies; policies narrow the choice in turn."""
    assert victims(group(*MIXED, policies=policies), 1)[0].id == first


@pytest.mark.parametrize(
    ("policies", "first"), [(["Default"], "i-1"), (["OldestInstance"], "i-0"), (["NewestInstance"], "i-2")]
)
def test_in_balanced_zones_the_policy_alone_decides(policies, first):
    """Default prefers the oldest launch template over the oldest instance."""
    assert victims(group(("a", 2, 0), ("b", 1, 1), ("c", 2, 2), policies=policies), 1)[0].id == first


def test_each_departure_counts_for_the_next():
    """Scaling in by two looks at the zones anew after the first: the second leaves from another zone when that is older."""
    made = group(("a", 1, 2), ("a", 1, 3), ("b", 1, 0))

    assert [member.id for member in victims(made, 2)] == ["i-0", "i-2"]


def test_a_protected_instance_is_never_chosen():
    """When all that is left is protected, fewer go than were asked for."""
    made = group(("a", 1, 0), ("b", 1, 1))
    made.members["i-0"].protected = True

    assert [member.id for member in victims(made, 2)] == ["i-1"]


@pytest.mark.parametrize(
    ("base", "percentage", "desired", "on_demand"),
    [(0, 100, 3, 3), (0, 0, 3, 0), (1, 50, 4, 3), (2, 0, 5, 2), (5, 0, 3, 3), (0, 50, 3, 2)],
)
def test_on_demand_is_the_base_and_the_percentage_above_it_rounded_up(base, percentage, desired, on_demand):
    """A group that grows one by one ends with the shares its distribution asks for."""
    distribution = {"OnDemandBaseCapacity": base, "OnDemandPercentageAboveBaseCapacity": percentage}
    made = group()
    for number in range(desired):
        spot = wants_spot(distribution, made.counted(), desired)
        made.members[f"i-{number}"] = Member(
            f"i-{number}", "a", "s", "t", Source("l", "l", "1"), spot=spot, launched=START
        )

    assert sum(not member.spot for member in made.counted()) == on_demand
