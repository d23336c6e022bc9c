"""What EC2 and Auto Scaling say of an instance decides, and what they do not say decides nothing."""

from __future__ import annotations

import pytest
from approver.ec2 import NotAskedError, Registry
from botocore.exceptions import ClientError

from tests.approver.conftest import CLUSTER

ME = "i-0123456789abcdef0"


@pytest.fixture
def registry(account, clock):
    """The account as the cluster sees it, in a time of the test's own."""
    account.aws.faults.clear()
    yield Registry(account.ec2, account.autoscaling, CLUSTER, clock.monotonic)
    account.aws.faults.clear()


def test_a_worker_is_known_by_its_id_its_names_and_addresses(registry, workers):
    """As EC2 has them, and the id, which is its node's name."""
    me = workers[0]
    found = registry.instance(me.id)
    assert (found.id, found.running, found.ours) == (me.id, True, True)
    assert {me.id, me.name} <= found.names
    assert me.address in found.addresses
    assert not {workers[1].name, workers[1].id} & found.names
    assert workers[1].address not in found.addresses


def test_nobody_else_is_the_clusters(registry, account):
    """Neither another cluster's worker, nor an instance that only carries the tag, nor one that does not exist."""
    (other,) = account.group(1, "another")
    assert registry.instance(other.id).ours is False
    assert registry.instance(account.alone().id).ours is False
    assert registry.instance("i-00000000000000000") is None


def test_an_instance_that_was_told_to_leave_is_no_longer_the_clusters(registry, account, clock):
    """Its hook may take minutes, and it runs meanwhile."""
    (leaver,) = account.group(1)
    account.autoscaling.put_lifecycle_hook(
        AutoScalingGroupName=leaver.group,
        LifecycleHookName="leaving",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        HeartbeatTimeout=7200,
    )
    assert registry.instance(leaver.id).ours
    account.autoscaling.terminate_instance_in_auto_scaling_group(
        InstanceId=leaver.id, ShouldDecrementDesiredCapacity=True
    )
    clock.sleep(10)
    found = registry.instance(leaver.id)
    assert (found.running, found.ours) == (True, False)


@pytest.mark.parametrize("operation", ["DescribeInstances", "DescribeAutoScalingGroups"])
def test_what_aws_does_not_answer_is_not_known(registry, account, workers, operation):
    """To be refused an answer is not to be told that there is none."""
    account.aws.faults.add(kind="denied", operation=operation, times=1000)
    with pytest.raises(NotAskedError, match="AWS could not be asked about i-"):
        registry.instance(workers[0].id)
    account.aws.faults.clear()
    assert registry.instance(workers[0].id).ours


def test_the_same_is_not_asked_again_within_seconds(registry, account, workers, clock):
    """A crowd that joins at once does not use up the account's calls; a little later it is asked anew."""
    everything = account.aws.faults.add(kind="latency", seconds=0.0, operation="Describe.*", times=1000)
    for _ in range(5):
        registry.instance(workers[0].id)
    assert everything.struck == 2
    registry.instance(workers[1].id)
    assert everything.struck == 3
    clock.sleep(3.1)
    registry.instance(workers[0].id)
    assert everything.struck == 5


def test_a_worker_is_not_judged_by_what_was_said_before_it_came(registry, account, workers, clock):
    """No would be final: the groups are asked anew for whom they did not have a moment ago, and not more than once."""
    registry.instance(workers[0].id)
    (late,) = account.group(1)
    clock.sleep(0.5)
    asked = account.aws.faults.add(kind="latency", seconds=0.0, operation="DescribeAutoScalingGroups", times=1000)
    assert registry.instance(late.id).ours
    assert asked.struck == 1
    stranger = account.alone().id
    clock.sleep(0.5)
    assert [registry.instance(stranger).ours for _ in range(3)] == [False] * 3
    assert asked.struck == 2


class Told:
    """EC2 and Auto Scaling that say what a test tells them to."""

    def __init__(self, **described):
        self.described = {"InstanceId": ME, "State": {"Name": "running"}, **described}

    def describe_instances(self, **_):
        """Return the one instance."""
        return {"Reservations": [{"Instances": [self.described]}]}

    def get_paginator(self, _):
        """Its own paginator."""
        return self

    def paginate(self, **_):
        """Return the one group."""
        return [{"AutoScalingGroups": [{"Instances": [{"InstanceId": ME, "LifecycleState": "InService"}]}]}]


def said(told, clock):
    """Return what the registry makes of it."""
    return Registry(told, told, CLUSTER, clock.monotonic).instance(ME)


def test_every_interface_counts(clock):
    """Pods' interfaces, IPv6 and public addresses: the cloud provider writes them into the node, and its kubelet asks for them."""
    interfaces = [
        {
            "PrivateIpAddress": "10.0.0.5",
            "PrivateDnsName": "ip-10-0-0-5.ec2.internal",
            "Ipv6Addresses": [{"Ipv6Address": "2001:DB8:0:0::5"}],
            "PrivateIpAddresses": [
                {
                    "PrivateIpAddress": "10.0.0.5",
                    "Association": {"PublicIp": "198.51.100.5", "PublicDnsName": "ec2-198-51-100-5.amazonaws.com"},
                },
                {"PrivateIpAddress": "10.0.0.6"},
            ],
        },
        {"PrivateIpAddress": "10.0.1.5", "PrivateIpAddresses": []},
    ]
    found = said(Told(PrivateDnsName="", PublicDnsName="", NetworkInterfaces=interfaces), clock)
    assert found.addresses == {"10.0.0.5", "10.0.0.6", "10.0.1.5", "198.51.100.5", "2001:db8::5"}
    assert found.names == {ME, "ip-10-0-0-5.ec2.internal", "ec2-198-51-100-5.amazonaws.com"}


def test_one_that_only_begins_to_run_is_not_answered_for(clock):
    """EC2's copies are late; a no would stay, and the next look knows better."""
    with pytest.raises(NotAskedError, match="only begins to run"):
        said(Told(State={"Name": "pending"}), clock)


@pytest.mark.parametrize("state", ["shutting-down", "terminated", "stopping", "stopped"])
def test_one_that_ends_does_not_run(clock, state):
    """Nobody can speak for it any more."""
    assert said(Told(State={"Name": state}), clock).running is False


def test_an_error_is_not_remembered(clock):
    """Only answers are."""
    told = Told()
    told.describe_instances = lambda **_: (_ for _ in ()).throw(ClientError({"Error": {"Code": "x"}}, "y"))
    registry = Registry(told, told, CLUSTER, clock.monotonic)
    with pytest.raises(NotAskedError):
        registry.instance(ME)
    del told.describe_instances
    assert registry.instance(ME).ours
