import pytest
from botocore.exceptions import ClientError

RETAIN = {"RetentionTriggers": {"TerminateHookAbandon": "retain"}}
TERMINATE = {"RetentionTriggers": {"TerminateHookAbandon": "terminate"}}


def hook(transition, *, heartbeat=7200, default="ABANDON", name="hook"):
    return {
        "LifecycleHookName": name,
        "LifecycleTransition": f"autoscaling:EC2_INSTANCE_{transition}",
        "HeartbeatTimeout": heartbeat,
        "DefaultResult": default,
    }


def waiting(cloud, transition, **settings):
    """Make a group whose one instance waits in a hook; return group and instance."""
    name = cloud.group(1, LifecycleHookSpecificationList=[hook(transition)], wait=False, **settings)
    if transition == "TERMINATING":
        cloud.until(lambda: cloud.in_service(name) == 1)
        cloud.terminate(next(iter(cloud.states(name))))
    state = "Pending:Wait" if transition == "LAUNCHING" else "Terminating:Wait"
    [instance] = cloud.until(lambda: [each for each, found in cloud.states(name).items() if found == state])
    return name, instance


def test_a_launching_instance_waits_until_its_hook_is_completed(cloud):
    """With a launching hook an instance stays in Pending:Wait until CONTINUE, then comes into service."""
    name, instance = waiting(cloud, "LAUNCHING")
    cloud.stays(lambda: cloud.states(name) == {instance: "Pending:Wait"}, seconds=0.2)

    cloud.complete(name, "hook", instance, "CONTINUE")

    cloud.until(lambda: cloud.states(name) == {instance: "InService"})


def test_an_abandoned_launch_is_terminated_and_tried_again(cloud):
    """ABANDON at launch terminates the instance; the group launches another."""
    name, instance = waiting(cloud, "LAUNCHING")

    cloud.complete(name, "hook", instance, "ABANDON")

    [other] = cloud.until(lambda: [each for each in cloud.states(name) if each != instance])
    cloud.until(lambda: cloud.states(name) == {other: "Pending:Wait"})
    assert cloud.ec2_state(instance) == "terminated"


@pytest.mark.parametrize("result", ["CONTINUE", "ABANDON"])
def test_a_terminating_instance_runs_until_its_hook_is_completed_and_is_replaced_meanwhile(cloud, result):
    """In Terminating:Wait an instance runs but does not count; without a retention trigger both answers end it."""
    name, instance = waiting(cloud, "TERMINATING")
    cloud.until(lambda: cloud.in_service(name) == 1)
    assert cloud.ec2_state(instance) == "running"

    cloud.complete(name, "hook", instance, result)

    cloud.until(lambda: instance not in cloud.states(name))
    assert cloud.ec2_state(instance) == "terminated"


def test_an_instance_whose_terminating_hook_is_abandoned_under_retain_keeps_running_and_is_replaced(cloud):
    """Terminating:Retained: the machine runs on, does not count, and ends only when someone terminates it."""
    name, instance = waiting(
        cloud, "TERMINATING", InstanceLifecyclePolicy=RETAIN, user_data="#!/bin/sh\nexec sleep 1000\n"
    )

    cloud.complete(name, "hook", instance, "ABANDON")

    cloud.until(lambda: cloud.states(name)[instance] == "Terminating:Retained" and cloud.in_service(name) == 1)
    assert cloud.ec2_state(instance) == "running"
    cloud.stays(lambda: cloud.states(name)[instance] == "Terminating:Retained", seconds=0.2)
    cloud.terminate(instance)
    cloud.until(lambda: instance not in cloud.states(name))
    assert cloud.ec2_state(instance) == "terminated"


def test_continue_ends_an_instance_under_retain_too(cloud):
    """The retention trigger acts on abandoned hooks only."""
    name, instance = waiting(cloud, "TERMINATING", InstanceLifecyclePolicy=RETAIN)

    cloud.complete(name, "hook", instance, "CONTINUE")

    cloud.until(lambda: instance not in cloud.states(name))


def test_a_hook_that_times_out_under_retain_keeps_the_instance(cloud):
    """The heartbeat timeout with DefaultResult ABANDON is an abandonment like any other."""
    name = cloud.group(
        1, LifecycleHookSpecificationList=[hook("TERMINATING", heartbeat=30)], InstanceLifecyclePolicy=RETAIN
    )
    [instance] = cloud.states(name)

    cloud.terminate(instance)

    cloud.until(lambda: cloud.states(name)[instance] == "Terminating:Retained")


@pytest.mark.parametrize(("default", "kept"), [("CONTINUE", True), ("ABANDON", False)])
def test_a_hook_nobody_answers_takes_its_default(cloud, default, kept):
    """When HeartbeatTimeout runs out, DefaultResult decides: in service, or terminated and launched anew."""
    specification = hook("LAUNCHING", heartbeat=100, default=default)
    name = cloud.group(1, LifecycleHookSpecificationList=[specification], wait=False)
    [instance] = cloud.until(lambda: list(cloud.states(name)))

    cloud.until(lambda: cloud.states(name).get(instance) not in {"Pending", "Pending:Wait"})

    assert (cloud.states(name).get(instance) == "InService") is kept


def test_heartbeats_prolong_the_wait(cloud):
    """RecordLifecycleActionHeartbeat begins the timeout anew."""
    name = cloud.group(1, LifecycleHookSpecificationList=[hook("LAUNCHING", heartbeat=300)], wait=False)
    [instance] = cloud.until(lambda: [each for each, state in cloud.states(name).items() if state == "Pending:Wait"])

    for _ in range(4):  # four times 100 s and more: longer than one timeout
        cloud.stays(lambda: cloud.states(name) == {instance: "Pending:Wait"}, seconds=0.25)
        cloud.asg.record_lifecycle_action_heartbeat(
            AutoScalingGroupName=name, LifecycleHookName="hook", InstanceId=instance
        )

    cloud.until(lambda: cloud.states(name).get(instance) != "Pending:Wait")


def test_the_global_timeout_is_a_hundred_heartbeats_and_at_most_two_days(cloud):
    """DescribeLifecycleHooks shows min(100 x HeartbeatTimeout, 48 h)."""
    hooks = [hook("LAUNCHING", heartbeat=30, name="short"), hook("TERMINATING", heartbeat=7200, name="long")]
    name = cloud.group(0, LifecycleHookSpecificationList=hooks)

    found = cloud.asg.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]

    assert {each["LifecycleHookName"]: each["GlobalTimeout"] for each in found} == {"short": 3000, "long": 172_800}


def test_a_hook_cannot_be_completed_twice(cloud):
    """Once answered, or when nothing waits, there is no active action: a ValidationError names the instance."""
    name, instance = waiting(cloud, "LAUNCHING")
    cloud.complete(name, "hook", instance, "CONTINUE")

    with pytest.raises(ClientError, match=f"No active Lifecycle Action found with instance ID {instance}") as refused:
        cloud.complete(name, "hook", instance, "CONTINUE")

    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_all_hooks_must_continue_but_one_abandon_is_enough(cloud):
    """Hooks of one transition wait side by side: ABANDON stops the others, CONTINUE leaves them to finish."""
    hooks = [hook("LAUNCHING", name="one"), hook("LAUNCHING", name="two")]
    name = cloud.group(1, LifecycleHookSpecificationList=hooks, wait=False)
    [instance] = cloud.until(lambda: [each for each, state in cloud.states(name).items() if state == "Pending:Wait"])

    cloud.complete(name, "one", instance, "CONTINUE")
    cloud.stays(lambda: cloud.states(name) == {instance: "Pending:Wait"}, seconds=0.2)
    cloud.complete(name, "two", instance, "ABANDON")

    cloud.until(lambda: instance not in cloud.states(name))


def test_deleting_a_hook_completes_what_waits_for_it(cloud):
    """DeleteLifecycleHook answers outstanding actions: CONTINUE for terminating instances."""
    name, instance = waiting(cloud, "TERMINATING", InstanceLifecyclePolicy=RETAIN)

    cloud.asg.delete_lifecycle_hook(AutoScalingGroupName=name, LifecycleHookName="hook")

    cloud.until(lambda: instance not in cloud.states(name))


def test_a_group_that_retains_cannot_be_force_deleted_until_it_does_not(cloud):
    """ForceDelete is refused while TerminateHookAbandon is retain, and ends even a waiting instance afterwards."""
    name, instance = waiting(cloud, "TERMINATING", InstanceLifecyclePolicy=RETAIN)
    with pytest.raises(ClientError, match="TerminateHookAbandon retention trigger is set to retain"):
        cloud.asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)

    cloud.asg.update_auto_scaling_group(AutoScalingGroupName=name, InstanceLifecyclePolicy=TERMINATE)
    cloud.asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)

    cloud.until(lambda: cloud.describe(name) is None)
    assert cloud.ec2_state(instance) == "terminated"


def test_a_hook_also_runs_for_an_instance_that_died(cloud):
    """Who cleans up after an instance is told of every end; but a dead instance is not retained."""
    name = cloud.group(1, LifecycleHookSpecificationList=[hook("TERMINATING")], InstanceLifecyclePolicy=RETAIN)
    [instance] = cloud.states(name)
    cloud.client("ec2").terminate_instances(InstanceIds=[instance])
    cloud.until(lambda: cloud.states(name).get(instance) == "Terminating:Wait")

    cloud.complete(name, "hook", instance, "ABANDON")

    cloud.until(lambda: instance not in cloud.states(name))
    [ended] = [
        each
        for each in cloud.activities(name)
        if each["Description"].endswith(instance) and "Term" in each["Description"]
    ]
    assert ended["StatusCode"] == "Successful"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"HeartbeatTimeout": 29}, "between 30 and 7200"),
        ({"DefaultResult": "PERHAPS"}, "Invalid default result"),
        ({"LifecycleTransition": "autoscaling:EC2_INSTANCE_SLEEPING"}, "Invalid lifecycle transition"),
        ({"NotificationTargetARN": "arn:aws:sns:eu-central-1:1:t", "RoleARN": "arn:aws:iam::1:role/r"}, "not emulated"),
    ],
)
def test_a_hook_that_cannot_be_is_refused(cloud, change, words):
    """PutLifecycleHook validates its values."""
    name = cloud.group(0)

    with pytest.raises(ClientError, match=words):
        cloud.asg.put_lifecycle_hook(AutoScalingGroupName=name, **{**hook("LAUNCHING"), **change})

    assert cloud.asg.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"] == []
