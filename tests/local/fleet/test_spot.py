"""A spot instance that EC2 takes back: warned of two minutes before, then gone, and replaced by its group."""

from __future__ import annotations

from tests.local.fleet.test_events import keeper, kept


def test_an_interrupted_instance_is_warned_of_then_ended_and_replaced(cloud):
    """The warning names the instance while it runs; two minutes later it is terminated, and its group launches another."""
    name = keeper(cloud, {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]})
    group = cloud.group(1)
    [instance] = cloud.states(group)

    cloud.fleet.interrupt("eu-central-1", instance)

    assert cloud.ec2_state(instance) == "running"
    [warning] = cloud.until(lambda: kept(cloud, name))
    assert warning["detail"] == {"instance-id": instance, "instance-action": "terminate"}
    assert warning["resources"] == [f"arn:aws:ec2:eu-central-1a:instance/{instance}"]
    cloud.until(lambda: cloud.ec2_state(instance) == "terminated")
    cloud.until(lambda: list(cloud.states(group).values()) == ["InService"] and instance not in cloud.states(group))
