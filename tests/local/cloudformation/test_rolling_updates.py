"""UpdatePolicy of Auto Scaling groups, after the Template Reference, "UpdatePolicy attribute"."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from rolled_groups import INITIATED, ROLL, group, signalling


def versions(account) -> set[str]:
    """The launch template versions of the group's instances."""
    return {
        row["LaunchTemplate"]["Version"].rpartition(":")[2] for row in account.scaling.groups["web-Group"]["Instances"]
    }


@pytest.fixture
def web(account):
    """A stack with three instances of version 1, created without a creation policy; new instances signal from now on."""
    assert account.create("web", group(roll=ROLL))["StackStatus"] == "CREATE_COMPLETE"
    signalling(account)
    return account


def test_a_roll_adds_before_it_removes_when_max_size_leaves_room(web):
    """With MinInstancesInService equal to the size and MaxSize one above, an instance is added first: never fewer than three."""
    web.scaling.history.clear()

    assert web.update("web", group("2", roll=ROLL))["StackStatus"] == "UPDATE_COMPLETE"

    assert web.scaling.history == ["+ i-0004", "- i-0001", "+ i-0005", "- i-0002", "+ i-0006", "- i-0003"]
    assert versions(web) == {"2"}
    sizes = web.scaling.groups["web-Group"]
    assert (sizes["MinSize"], sizes["DesiredCapacity"], sizes["MaxSize"]) == (3, 3, 4)


def test_a_roll_tells_its_story_in_the_groups_events(web):
    """Events read as CloudFormation writes them: announcement, raised capacity, each signal and each termination with progress."""
    web.update("web", group("2", roll=ROLL))

    reasons = web.reasons("web", "Group")
    waiting = "New instance(s) added to autoscaling group - Waiting on 1 resource signal(s) with a timeout of PT15M."
    assert reasons[reasons.index(INITIATED) :] == [
        INITIATED,
        "Temporarily setting autoscaling group MinSize and DesiredCapacity to 4.",
        "Received SUCCESS signal with UniqueId i-0004",
        waiting,
        "Terminating instance(s) [i-0001]; replacing with 1 new instance(s).",
        "Received SUCCESS signal with UniqueId i-0005",
        "Successfully terminated instance(s) [i-0001] (Progress 33%).",
        waiting,
        "Terminating instance(s) [i-0002]; replacing with 1 new instance(s).",
        "Received SUCCESS signal with UniqueId i-0006",
        "Successfully terminated instance(s) [i-0002] (Progress 67%).",
        waiting,
        "Terminating instance(s) [i-0003]; replacing with 0 new instance(s).",
        "Successfully terminated instance(s) [i-0003] (Progress 100%).",
    ]


def test_without_room_a_roll_removes_before_it_adds(account):
    """With MinInstancesInService below the size and no room above it, the batch is taken out first."""
    rules = ROLL | {"MinInstancesInService": 2}
    account.create("web", group(most=3, roll=rules))
    signalling(account)
    account.scaling.history.clear()

    assert account.update("web", group("2", most=3, roll=rules))["StackStatus"] == "UPDATE_COMPLETE"

    assert account.scaling.history == ["- i-0001", "+ i-0004", "- i-0002", "+ i-0005", "- i-0003", "+ i-0006"]


def test_min_instances_in_service_equal_to_max_size_is_refused(account):
    """MinInstancesInService must be less than MaxSize, or nothing could ever be replaced."""
    account.create("web", group(most=3, roll=ROLL))

    stack = account.update("web", group("2", most=3, roll=ROLL))

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "MinInstancesInService must be less than the autoscaling group's MaxSize" in account.reasons("web", "Group")


def test_a_batch_may_be_larger_than_one(account):
    """MaxBatchSize instances go at a time, as long as MinInstancesInService stay."""
    rules = ROLL | {"MaxBatchSize": 2, "MinInstancesInService": 2}
    account.create("web", group(least=4, most=4, roll=rules))
    signalling(account)
    account.scaling.history.clear()

    account.update("web", group("2", least=4, most=4, roll=rules))

    assert account.scaling.history == [
        "- i-0001", "+ i-0005", "- i-0002", "+ i-0006", "- i-0003", "+ i-0007", "- i-0004", "+ i-0008",
    ]  # fmt: skip


def test_the_next_batch_waits_for_the_signal_of_the_last(account):
    """WaitOnResourceSignals: no instance is terminated before the ones added so far have signalled."""
    account.create("web", group(roll=ROLL | {"PauseTime": "PT1H"}))
    added = threading.Event()
    account.scaling.launched = lambda _group, _instance: added.set()
    account.call("UpdateStack", StackName="web", TemplateBody=json.dumps(group("2", roll=ROLL | {"PauseTime": "PT1H"})))

    assert added.wait(5)
    while not any("Waiting on 1 resource signal" in reason for reason in account.reasons("web", "Group")):
        pass
    assert [line for line in account.scaling.history if line.startswith("-")] == []
    signalling(account)
    account.signal("web", "Group", "i-0004")
    assert account.settled("web")["StackStatus"] == "UPDATE_COMPLETE"


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE"])
def test_only_new_instances_are_counted(account, status):
    """A roll "waits on signals from new instances": what an old one says late is written down and decides nothing."""
    account.create("web", group(roll=ROLL | {"PauseTime": "PT1H"}))
    added = threading.Event()
    account.scaling.launched = lambda _group, _instance: added.set()
    account.call("UpdateStack", StackName="web", TemplateBody=json.dumps(group("2", roll=ROLL | {"PauseTime": "PT1H"})))
    assert added.wait(5)

    while not any("Waiting on 1 resource signal" in reason for reason in account.reasons("web", "Group")):
        time.sleep(0.01)
    account.signal("web", "Group", "i-0001", status)
    time.sleep(0.1)

    assert f"Received {status} signal with UniqueId i-0001" in account.reasons("web", "Group")
    assert [line for line in account.scaling.history if line.startswith("-")] == []
    signalling(account)
    account.signal("web", "Group", "i-0004")
    assert account.settled("web")["StackStatus"] == "UPDATE_COMPLETE"


def test_a_failure_signal_ends_the_roll_at_once_and_rolls_back(web):
    """With 100 percent wanted, one FAILURE is enough; healthy old instances are never touched by the rollback."""
    signalling(web, "FAILURE")

    stack = web.update("web", group("2", roll=ROLL))

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reason = "Received 1 FAILURE signal(s) out of 3. Unable to satisfy 100% MinSuccessfulInstancesPercent requirement"
    assert reason in web.reasons("web", "Group")
    assert {row["InstanceId"] for row in web.scaling.groups["web-Group"]["Instances"]} == {"i-0001", "i-0002", "i-0003"}
    assert web.scaling.groups["web-Group"]["DesiredCapacity"] == 3
    assert versions(web) == {"1"}


def test_silence_counts_as_failure_after_pause_time(web):
    """If an instance does not signal within PauseTime, CloudFormation assumes that it was not updated."""
    web.scaling.launched = lambda _group, _instance: None

    stack = web.update("web", group("2", roll=ROLL))

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reasons = web.reasons("web", "Group")
    assert (
        "Failed to receive 1 resource signal(s) for the current batch.  Each resource signal timeout is counted as a FAILURE."
        in reasons
    )
    assert (
        "Received 0 SUCCESS signal(s) out of 3. Unable to satisfy 100% MinSuccessfulInstancesPercent requirement"
        in reasons
    )


def test_some_failures_are_tolerated_when_the_percentage_says_so(account):
    """MinSuccessfulInstancesPercent 60 of five: two may fail ("if you update five instances with ... 50, three must signal")."""
    rules = ROLL | {"MinInstancesInService": 4, "MinSuccessfulInstancesPercent": 60}
    account.create("web", group(least=5, most=5, roll=rules))
    account.scaling.launched = lambda _group, instance: account.signal(
        "web", "Group", instance, "FAILURE" if instance in {"i-0006", "i-0008"} else "SUCCESS"
    )

    assert account.update("web", group("2", least=5, most=5, roll=rules))["StackStatus"] == "UPDATE_COMPLETE"


def test_one_failure_more_is_not_tolerated(account):
    """The twin: three failures of five are more than 60 percent allows."""
    rules = ROLL | {"MinInstancesInService": 4, "MinSuccessfulInstancesPercent": 60}
    account.create("web", group(least=5, most=5, roll=rules))
    account.scaling.launched = lambda _group, instance: account.signal(
        "web", "Group", instance, "FAILURE" if instance in {"i-0006", "i-0007", "i-0008"} else "SUCCESS"
    )

    assert account.update("web", group("2", least=5, most=5, roll=rules))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_a_rollback_rolls_with_the_previous_templates_policy(account):
    """AWS: "During rollback" CloudFormation uses the policy of the template it goes back to."""
    account.create("web", group(roll=ROLL | {"MaxBatchSize": 2, "MinInstancesInService": 1}))
    account.scaling.launched = lambda _group, instance: account.signal(
        "web", "Group", instance, "FAILURE" if instance == "i-0005" else "SUCCESS"
    )

    account.update("web", group("2", roll=ROLL | {"MaxBatchSize": 1, "MinInstancesInService": 2}))

    announced = [reason for reason in account.reasons("web", "Group") if reason.startswith("Rolling update initiated")]
    assert "in batches of 1, while keeping at least 2" in announced[0]
    assert "in batches of 2, while keeping at least 1" in announced[1]


def test_processes_are_suspended_for_the_time_of_the_roll(account):
    """SuspendProcesses are resumed afterwards, but not those that were suspended before."""
    rules = ROLL | {"SuspendProcesses": ["HealthCheck", "AZRebalance"]}
    account.create("web", group(roll=rules))
    signalling(account)
    account.scaling.groups["web-Group"]["SuspendedProcesses"] = [{"ProcessName": "HealthCheck"}]
    account.scaling.history.clear()

    account.update("web", group("2", roll=rules))

    assert account.scaling.history[0] == "suspend AZRebalance"
    assert account.scaling.history[-1] == "resume AZRebalance"
    assert account.scaling.groups["web-Group"]["SuspendedProcesses"] == [{"ProcessName": "HealthCheck"}]


def test_processes_are_resumed_after_a_failed_roll_too(web):
    """A failed roll leaves no process suspended."""
    rules = ROLL | {"SuspendProcesses": ["HealthCheck"]}
    signalling(web, "FAILURE")

    web.update("web", group("2", roll=rules))

    assert web.scaling.groups["web-Group"]["SuspendedProcesses"] == []


def test_without_a_policy_running_instances_stay(account):
    """Without UpdatePolicy the group changes and its instances do not."""
    account.create("web", group())
    account.scaling.history.clear()

    assert account.update("web", group("2"))["StackStatus"] == "UPDATE_COMPLETE"

    assert account.scaling.history == []


def test_a_change_of_size_alone_rolls_nothing(web):
    """The policy applies to launch template, subnets and instance policies; MaxSize is none of them."""
    web.scaling.history.clear()

    assert web.update("web", group(most=6, roll=ROLL))["StackStatus"] == "UPDATE_COMPLETE"

    assert web.scaling.history == []


def test_instances_that_match_already_are_spared(web):
    """Only obsolete instances are replaced."""
    web.scaling.groups["web-Group"]["Instances"][1]["LaunchTemplate"]["Version"] = "LatestVersionNumber:template-1:2"
    web.scaling.history.clear()

    web.update("web", group("2", roll=ROLL))

    assert [line for line in web.scaling.history if line.startswith("-")] == ["- i-0001", "- i-0003"]


@pytest.mark.parametrize(("ignore", "desired"), [(True, 3), (False, 2)])
def test_a_size_the_template_leaves_alone_can_be_left_alone(account, ignore, desired):
    """IgnoreUnmodifiedGroupSizeProperties keeps what scaling made of the group; without it the template's size comes back."""

    def template(most: int) -> dict[str, Any]:
        made = group(least=1, most=most, DesiredCapacity="2")
        made["Resources"]["Group"]["UpdatePolicy"] = {
            "AutoScalingScheduledAction": {"IgnoreUnmodifiedGroupSizeProperties": ignore}
        }
        return made

    account.create("web", template(5))
    account.scaling.update_auto_scaling_group("web-Group", DesiredCapacity=3)

    account.update("web", template(6))

    assert account.scaling.groups["web-Group"]["DesiredCapacity"] == desired
    assert account.scaling.groups["web-Group"]["MaxSize"] == 6


def test_without_signals_each_batch_pauses(account):
    """WaitOnResourceSignals false: PauseTime is a pause, whatever instances say."""
    rules = {"MaxBatchSize": 3, "MinInstancesInService": 0, "PauseTime": "PT1M"}
    account.create("web", group(roll=rules))
    before = account.service and account.stack("web")["CreationTime"]

    account.update("web", group("2", roll=rules))

    ended = account.events("web")[-1]["Timestamp"]
    assert (ended - before).total_seconds() >= 60


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"AutoScalingRollingUpdate": ROLL | {"MinActiveInstancesPercent": 50}}, "not emulated: AutoScalingRollingUpdate.MinActiveInstancesPercent"),
        ({"AutoScalingRollingUpdate": ROLL | {"PauseTime": "15 minutes"}}, "Invalid PauseTime: 15 minutes is not a duration like PT15M"),
        ({"AutoScalingRollingUpdate": ROLL | {"PauseTime": "PT2H"}}, "PauseTime PT2H is longer than PT1H"),
        ({"AutoScalingReplacingUpdate": {"WillReplace": True}}, "not emulated: AutoScalingReplacingUpdate with WillReplace"),
    ],
)  # fmt: skip
def test_what_is_not_emulated_or_not_allowed_fails_loudly(web, policy, words):
    """A policy that would be obeyed only in part stops the update with a sentence."""
    template = group("2")
    template["Resources"]["Group"]["UpdatePolicy"] = policy

    assert web.update("web", template)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"

    assert words in web.reasons("web", "Group")


def test_a_cancelled_update_rolls_back_from_the_middle_of_a_roll(account):
    """CancelUpdateStack wakes the roll at once; the stack goes back to the old instances."""
    account.create("web", group(roll=ROLL | {"PauseTime": "PT1H"}))
    added = threading.Event()
    account.scaling.launched = lambda _group, _instance: added.set()
    account.call("UpdateStack", StackName="web", TemplateBody=json.dumps(group("2", roll=ROLL | {"PauseTime": "PT1H"})))
    assert added.wait(5)

    account.call("CancelUpdateStack", StackName="web")

    assert account.settled("web")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Resource update cancelled" in account.reasons("web", "Group")
    assert len(account.scaling.groups["web-Group"]["Instances"]) == 3


@pytest.mark.parametrize(
    ("version", "types", "gone"),
    [("2", ["m7i.large"], 3), ("1", ["m7i.large", "m7a.large"], 3), ("1", ["m7i.large"], 0)],
)
def test_a_mixed_instances_policy_rolls_by_version_and_by_choice(account, version, types, gone):
    """A new launch template version or another choice of types rolls; an untouched policy does not."""

    def template(version: str, types: list[str], most: int) -> dict[str, Any]:
        made = group(version, roll=ROLL, most=most)
        specification = made["Resources"]["Group"]["Properties"]["LaunchTemplate"]
        overrides = [{"InstanceType": name} for name in types]
        made["Resources"]["Group"]["Properties"]["MixedInstancesPolicy"] = {
            "LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": overrides}
        }
        return made

    account.create("web", template("1", ["m7i.large"], 4))
    signalling(account)
    account.scaling.history.clear()

    assert account.update("web", template(version, types, 5))["StackStatus"] == "UPDATE_COMPLETE"

    assert len([line for line in account.scaling.history if line.startswith("-")]) == gone
