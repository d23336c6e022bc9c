"""etcd's members, backups and records against what the group has: each check, and what it must not let pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import care_cluster
import pytest

from kubecfn.care.status import EtcdStatus, of
from kubecfn.errors import KubecfnError
from kubecfn.smoke import etcd
from kubecfn.smoke.subject import Subject
from tests.smoke.machines import subject

ONES = (care_cluster.FOLLOWERS[0], care_cluster.LEADER, care_cluster.FOLLOWERS[1])
DOMAIN = "payments.k8s.example.com"


def told(**other):
    """Return etcd as the function reports it."""
    return of({**care_cluster.report(), **other})


@pytest.fixture
def look(tmp_path):
    """Return a check's answer about etcd as it is told."""

    def look(check, status, *, ones=ONES, **known):
        made = subject(None, tmp_path, etcd=status, in_service={"Controllers": dict.fromkeys(ones, "x")}, **known)
        return list(check(made).problems)

    return look


def test_members_are_the_controllers_in_service(look):
    """Healthy voters all, proven by a linearizable read."""
    assert look(etcd.members, told()) == []


@pytest.mark.parametrize(
    ("ones", "problem"),
    [
        (ONES[:2], f"{ONES[2]} is a member and not in service"),
        ((*ONES, "i-0new"), "i-0new is in service and no member"),
    ],
)
def test_who_is_a_member_and_not_in_service_or_the_other_way_is_said(look, ones, problem):
    """A member without an instance counts for quorum; an instance without a member does not serve."""
    assert look(etcd.members, told(), ones=ones) == [problem]


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({"linearizable": False}, "no linearizable read succeeded: there may be no quorum"),
        ({"alarms": ["NOSPACE of x"]}, "ALARM NOSPACE of x"),
        ({"settled": {"say": "wait", "reason": "a voter is too many"}}, "a voter is too many"),
    ],
)
def test_an_etcd_that_is_not_well_is_not_let_pass(look, other, problem):
    """Whatever the members say of themselves."""
    assert look(etcd.members, told(**other)) == [problem]


def test_a_sick_member_and_a_learner_are_said(look):
    """Each by its name."""
    members = care_cluster.report()["members"]
    members[0] |= {"healthy": False}
    members[1] |= {"learner": True, "leader": False}

    problems = look(etcd.members, told(members=members))

    assert f"{members[0]['name']} is not healthy" in problems
    assert f"{members[1]['name']} does not vote yet" in problems


def test_a_silent_function_is_not_a_healthy_etcd(tmp_path):
    """Not to know is an answer of its own."""
    made = subject(None, tmp_path, etcd=EtcdStatus(silence="nobody could be asked."))
    for check in (etcd.members, etcd.backups):
        with pytest.raises(KubecfnError, match="nobody could be asked"):
            check(made)


@pytest.mark.parametrize(
    ("backup", "problem"),
    [
        ({"key": "k", "revision": 1, "age_seconds": 899}, ""),
        ({"key": "k", "revision": 10**9, "age_seconds": 90_000}, ""),
        ({"key": "k", "revision": 1, "age_seconds": 901}, "the newest is 15 min old and behind revision"),
        ({}, "last backup: NONE"),
        ({"key": "k", "revision": 1}, "last backup: of unknown age"),
    ],
)
def test_a_backup_is_young_or_nothing_was_written_since(look, backup, problem):
    """Three times its schedule; an old one of a cluster in which nothing changes is as good as new."""
    problems = look(etcd.backups, told(backup=backup))

    assert [problem] == [one[: len(problem)] for one in problems] if problem else problems == []


def zone(*records):
    """Route 53 with one zone, and the stack's word which it is."""
    pages = SimpleNamespace(paginate=lambda HostedZoneId: [{"ResourceRecordSets": list(records)}])  # noqa: N803  boto3's
    client = SimpleNamespace(get_paginator=lambda _: pages)
    return SimpleNamespace(client=lambda _: client)


def srv(service, port, *ones):
    values = [{"Value": f"0 0 {port} {one}.{DOMAIN}."} for one in ones]
    return {"Name": f"_etcd-{service}-ssl._tcp.{DOMAIN}.", "Type": "SRV", "ResourceRecords": values}


@pytest.mark.parametrize(
    ("server", "client", "problems"),
    [
        (ONES, ONES, []),
        (ONES[:2], ONES, [f"_etcd-server-ssl._tcp.{DOMAIN} lacks {ONES[2]}"]),
        (ONES, (*ONES, "i-0old"), [f"_etcd-client-ssl._tcp.{DOMAIN} still names i-0old"]),
    ],
)
def test_srv_records_are_the_controllers_in_service(tmp_path, server, client, problems):
    """What a new controller asks whom it may ask: neither fewer nor more."""
    made = subject(
        None,
        tmp_path,
        in_service={"Controllers": dict.fromkeys(ONES, "x")},
        physical={"Zone": ("AWS::Route53::HostedZone", "Z1")},
    )
    made.aws = zone(srv("server", 2380, *server), srv("client", 2379, *client), {"Name": "x.", "Type": "A"})

    assert list(etcd.records(made).problems) == problems


def test_groups_are_known_by_the_stack_and_only_instances_in_service_count(tmp_path):
    """Logical ids say whose a group is; who is launching or leaving is not expected to be a node."""

    def instance(name, state="InService"):
        return {"InstanceId": name, "AvailabilityZone": "a", "LifecycleState": state}

    groups = [
        {"AutoScalingGroupName": "p-controllers", "Instances": [instance("i-1"), instance("i-2", "Terminating:Wait")]},
        {"AutoScalingGroupName": "p-1", "Instances": [instance("i-3")]},
        {"AutoScalingGroupName": "p-2", "Instances": [instance("i-4"), instance("i-5", "Pending")]},
    ]
    kind = "AWS::AutoScaling::AutoScalingGroup"
    made = Subject(None, DOMAIN, None, None, tmp_path, datetime.now(UTC) + timedelta(0))
    made.__dict__["physical"] = {
        "Controllers": (kind, "p-controllers"),
        "PoolBurst1": (kind, "p-1"),
        "PoolBurst2": (kind, "p-2"),
        "Zone": ("AWS::Route53::HostedZone", "Z"),
    }
    pages = SimpleNamespace(
        paginate=lambda AutoScalingGroupNames: [  # noqa: N803  boto3's
            {"AutoScalingGroups": [one for one in groups if one["AutoScalingGroupName"] in AutoScalingGroupNames]}
        ]
    )
    made.aws = SimpleNamespace(client=lambda _: SimpleNamespace(get_paginator=lambda _: pages))

    assert made.in_service == {"Controllers": {"i-1": "a"}, "PoolBurst1": {"i-3": "a"}, "PoolBurst2": {"i-4": "a"}}
    assert made.pool("PoolBurst", each=True) == {"i-3": "a", "i-4": "a"}
    assert made.pool("PoolBurst", each=False) == {}
