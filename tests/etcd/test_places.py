"""What EC2 and the group say about instances, and what may be concluded from what they do not say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubecfn.etcd.places import Fleet, Group, NoGroupError, Place
from kubecfn.etcd.view import Machine

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LONG_AGO, JUST_NOW = NOW - timedelta(minutes=16), NOW - timedelta(minutes=14)
RUNNING, LEAVING, TERMINATED, UNKNOWN = Machine.RUNNING, Machine.LEAVING, Machine.TERMINATED, Machine.UNKNOWN


class Ec2:
    """Answers DescribeInstances as EC2 does: filters, pages of two, nothing about what it does not know."""

    def __init__(self, instances, tagged=None):
        self.instances, self.tagged = instances, instances if tagged is None else tagged

    def get_paginator(self, operation):
        """Its own paginator."""
        assert operation == "describe_instances"
        return self

    def paginate(self, *, Filters):  # noqa: N803  boto3's own name
        """Yield pages of two."""
        (one,) = Filters
        assert len(one["Values"]) <= 200
        if one["Name"] == "tag:aws:autoscaling:groupName":
            assert one["Values"] == ["controllers"]
            found = [name for name in self.tagged if name in self.instances]
        else:
            assert one["Name"] == "instance-id"
            assert one["Values"], "EC2 refuses a filter without values"
            found = [name for name in one["Values"] if name in self.instances]
        described = [self._describe(name) for name in found]
        for start in range(0, max(1, len(described)), 2):
            yield {"Reservations": [{"Instances": [one]} for one in described[start : start + 2]]}

    def _describe(self, name):
        state, address = self.instances[name]
        return {"InstanceId": name, "State": {"Name": state}} | ({"PrivateIpAddress": address} if address else {})


class AutoScaling:
    """Answers DescribeAutoScalingGroups about one group."""

    def __init__(self, states, *, exists=True, tags=None, least=3):
        self.states, self.exists, self.least = states, exists, least
        self.tags = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]

    def describe_auto_scaling_groups(self, *, AutoScalingGroupNames):  # noqa: N803  boto3's own name
        """Return the one group, or none."""
        assert AutoScalingGroupNames == ["controllers"]
        members = [{"InstanceId": name, "LifecycleState": state} for name, state in self.states.items()]
        group = {"AutoScalingGroupName": "controllers", "MinSize": self.least, "Instances": members, "Tags": self.tags}
        return {"AutoScalingGroups": [group] if self.exists else []}


def fleet(states, instances, **kwargs):
    return Fleet(AutoScaling(states), Ec2(instances, **kwargs), "controllers")


@pytest.mark.parametrize(
    ("lifecycle", "state", "machine", "staying"),
    [
        ("InService", "running", RUNNING, True),
        ("Pending", "pending", RUNNING, True),
        ("Pending:Wait", "running", RUNNING, True),
        ("Pending:Proceed", "running", RUNNING, True),
        ("Standby", "running", RUNNING, True),
        ("EnteringStandby", "running", RUNNING, True),
        # Its data may come back.
        ("InService", "stopping", RUNNING, True),
        ("InService", "stopped", RUNNING, True),
        # EC2 has not heard of what the group just launched.
        ("Pending", None, UNKNOWN, True),
        ("Terminating", "running", LEAVING, False),
        ("Terminating:Wait", "running", LEAVING, False),
        ("Terminating:Proceed", "running", LEAVING, False),
        ("Terminating:Retained", "running", LEAVING, False),
        ("Terminating:Retained", "stopped", LEAVING, False),
        ("Terminating:Retained", "terminated", TERMINATED, False),
        ("Terminated", "running", LEAVING, False),
        ("Terminating:Wait", None, UNKNOWN, False),
        # The group has not noticed yet.
        ("InService", "shutting-down", LEAVING, False),
        ("InService", "terminated", TERMINATED, False),
        # Taken out by a person: it runs, and is nobody's to remove.
        ("Detaching", "running", RUNNING, False),
        ("Detached", "running", RUNNING, False),
        # EC2 shows it, the group's answer does not: too new or too old to tell.
        (None, "pending", UNKNOWN, False),
        (None, "running", UNKNOWN, False),
        (None, "shutting-down", LEAVING, False),
        (None, "terminated", TERMINATED, False),
    ],
)
def test_an_instance_is_what_the_group_and_ec2_say_together(lifecycle, state, machine, staying):
    """EC2's "terminated" is believed; who was told to leave is leaving; what is not known is never terminated."""
    states = {"i-b": "InService"} | ({"i-a": lifecycle} if lifecycle else {})
    instances = {"i-b": ("running", "10.0.0.2")} | ({"i-a": (state, "10.0.0.1")} if state else {})
    group = fleet(states, instances).group()
    assert group.place("i-a") == Place("i-a", "10.0.0.1" if state else "", machine, staying=staying)
    assert group.expected == (("i-a", "i-b") if staying else ("i-b",))
    if state:
        assert fleet(states, instances).machines({"i-a": LONG_AGO}, NOW) == {"i-a": machine}


def test_the_group_tells_its_size_and_everybody_in_order():
    """The size is the configured one, not how many there are; pages and terminated ones are all read."""
    instances = {f"i-{letter}": ("running", f"10.0.0.{number}") for number, letter in enumerate("edcba")}
    group = fleet(
        {name: "InService" for name in instances if name != "i-c"}, {**instances, "i-c": ("terminated", "")}
    ).group()
    assert (group.name, group.size) == ("controllers", 3)
    assert [place.instance for place in group.places] == ["i-a", "i-b", "i-c", "i-d", "i-e"]
    assert group.place("i-c") == Place("i-c", "", TERMINATED, staying=False)


def test_an_instance_whose_tag_does_not_show_yet_is_found_by_its_id():
    """What the group lists is asked by id too."""
    both = {"i-a": ("running", "10.0.0.1"), "i-b": ("running", "10.0.0.2")}
    group = fleet(dict.fromkeys(both, "InService"), both, tagged=["i-b"]).group()
    assert group.place("i-a").address == "10.0.0.1"


def test_a_group_that_does_not_exist_is_an_error():
    """Without a group its size would be none and everybody's absence proven: that is no answer."""
    missing = Fleet(AutoScaling({}, exists=False), Ec2({}), "controllers")
    for ask in (missing.group, lambda: missing.machines({"i-a": LONG_AGO}, NOW)):
        with pytest.raises(NoGroupError, match="no auto scaling group controllers"):
            ask()


@pytest.mark.parametrize(
    ("since", "machine"), [(LONG_AGO, TERMINATED), (JUST_NOW, UNKNOWN), (NOW + timedelta(hours=1), UNKNOWN)]
)
def test_to_be_absent_is_to_be_terminated_only_long_after(since, machine):
    """EC2 and the group may both be some minutes behind; a clock that runs ahead proves nothing."""
    there = fleet({"i-b": "InService"}, {"i-b": ("running", "10.0.0.2")})
    assert there.machines({"i-a": since, "i-b": since}, NOW) == {"i-a": machine, "i-b": RUNNING}


def test_absence_is_not_believed_of_an_ec2_that_shows_nobody():
    """An answer without a single known instance is another region's, or none."""
    assert fleet({"i-b": "InService"}, {}).machines({"i-a": LONG_AGO, "i-b": LONG_AGO}, NOW) == {
        "i-a": UNKNOWN,
        "i-b": UNKNOWN,
    }
    assert fleet({}, {}).machines({"i-a": LONG_AGO}, NOW) == {"i-a": UNKNOWN}


def test_an_instance_outside_the_group_is_found_by_its_id():
    """A tag may be gone with the instance's place in the group; EC2 still knows the id."""
    there = fleet({}, {"i-a": ("terminated", ""), "i-b": ("running", "10.0.0.2")}, tagged=[])
    assert there.machines({"i-a": NOW, "i-b": NOW}, NOW) == {"i-a": TERMINATED, "i-b": UNKNOWN}


def test_only_who_was_asked_about_is_answered_even_many():
    """The answer has exactly the instances of the question; EC2 takes 200 at a time."""
    many = {f"i-{number:08}": NOW for number in range(450)}
    answer = fleet({"i-b": "InService"}, {"i-b": ("running", "10.0.0.2"), "i-00000449": ("terminated", "")}).machines(
        many, NOW
    )
    assert answer == {**dict.fromkeys(many, UNKNOWN), "i-00000449": TERMINATED}


def test_what_aws_refuses_is_the_callers_to_see():
    """A throttled look-up is not "there is none"."""

    class Refusing:
        def __getattr__(self, name):
            raise ConnectionError("throttled")

    for broken in (
        Fleet(Refusing(), Ec2({}), "controllers"),
        Fleet(AutoScaling({"i-a": "InService"}), Refusing(), "controllers"),
    ):
        with pytest.raises(ConnectionError):
            broken.group()
        with pytest.raises(ConnectionError):
            broken.machines({"i-a": LONG_AGO}, NOW)


def test_an_address_is_the_living_ones():
    """A terminated instance's address may be shown for a while and be another's already."""
    old, new = (
        Place(name, "10.0.0.1", machine, staying=False) for name, machine in (("i-a", TERMINATED), ("i-b", RUNNING))
    )
    group = Group("controllers", 3, (old, new, Place("i-c", "", UNKNOWN, staying=True)))
    assert group.at("10.0.0.1") is new
    assert Group("controllers", 3, (old,)).at("10.0.0.1") is None
    assert group.at("") is None
    assert group.at("10.0.0.9") is None


def test_a_forgotten_instance_is_remembered_and_a_known_one_not_overwritten():
    """What the caller knew of an instance adds to what EC2 says, and changes none of it."""
    group = Group("controllers", 3, (Place("i-a", "10.0.0.1", RUNNING, staying=True),))
    assert group.remembering({"i-a": TERMINATED, "i-z": TERMINATED}).places == (
        *group.places,
        Place("i-z", "", TERMINATED, staying=False),
    )


def test_where_a_terminated_instance_was_is_remembered_and_a_living_ones_place_is_its_own():
    """What an instance said of itself counts only once EC2 calls it terminated; a living one's address goes before."""
    gone, here = (Place(one, "", machine, staying=False) for one, machine in (("i-a", TERMINATED), ("i-b", UNKNOWN)))
    group = Group("controllers", 3, (gone, here)).remembering({}, {"i-a": "10.0.0.1", "i-b": "10.0.0.2"})

    assert group.was_at("10.0.0.1").instance == "i-a"
    assert [group.was_at(address) for address in ("10.0.0.2", "10.0.0.9", "")] == [None] * 3
    follower = Place("i-c", "10.0.0.1", RUNNING, staying=True)
    assert Group("controllers", 3, (*group.places, follower)).was_at("10.0.0.1") is None


@pytest.mark.parametrize(("tags", "size"), [({"kubecfn:size": "3"}, 3), ({"kubecfn:cluster": "payments"}, 4), ({}, 4)])
def test_a_roll_does_not_make_the_cluster_larger(tags, size):
    """CloudFormation raises MinSize while it rolls a group; the group's own tag says how many voters there are to be."""
    found = Fleet(AutoScaling({}, tags=tags, least=4), Ec2({}), "controllers").group()

    assert found.size == size
