"""SignalResource and waiting, after the API Reference, "SignalResource", and "CreationPolicy attribute"."""

from __future__ import annotations

import json
import threading
import time

import pytest

from kubecfn.local.api import ServiceError
from kubecfn.local.clock import ScaledClock
from kubecfn.local.cloudformation.durations import seconds
from kubecfn.local.cloudformation.signals import Mailbox

WAIT = {
    "Resources": {
        "Ready": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "CreationPolicy": {"ResourceSignal": {"Count": 2, "Timeout": "PT10M"}},
        }
    }
}


def waiting(account, template=WAIT) -> None:
    """Start a stack whose only resource waits."""
    account.call("CreateStack", StackName="web", TemplateBody=json.dumps(template))
    while "Ready CREATE_IN_PROGRESS" not in account.history("web"):
        time.sleep(0.001)


def test_a_wait_condition_is_passed_by_distinct_signals(account):
    """Count signals with different UniqueIds complete it; a repeated id counts once."""
    waiting(account)
    account.signal("web", "Ready", "a")
    account.signal("web", "Ready", "a")
    assert account.stack("web")["StackStatus"] == "CREATE_IN_PROGRESS"
    account.signal("web", "Ready", "b")

    assert account.settled("web")["StackStatus"] == "CREATE_COMPLETE"
    assert account.reasons("web", "Ready").count("Received SUCCESS signal with UniqueId a") == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("FAILURE", "Received FAILURE signal with UniqueId a"),
        ("SUCCESS", "Failed to receive 1 resource signal(s) within the specified duration"),
    ],
)
def test_a_wait_condition_fails_by_a_failure_or_by_time(account, status, reason):
    """One FAILURE, or fewer than Count within Timeout, fails the resource."""
    waiting(account)
    account.signal("web", "Ready", "a", status)

    assert account.settled("web")["StackStatus"] == "ROLLBACK_COMPLETE"
    failed = [event for event in account.events("web") if event["ResourceStatus"] == "CREATE_FAILED"]
    assert [event["ResourceStatusReason"] for event in failed] == [reason]


def test_a_wait_condition_handle_url_is_refused_loudly(account):
    """Signals by PUT to a handle's URL are not emulated, and a template that needs them cannot be created."""
    template = {
        "Resources": {
            "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            "Ready": {
                "Type": "AWS::CloudFormation::WaitCondition",
                "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "10"},
            },
        }
    }

    assert account.create("web", template)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any(reason.startswith("not emulated") for reason in account.reasons("web", "Ready"))


def test_a_signal_is_refused_unless_stack_and_resource_are_in_progress(account):
    """AWS: "... is in CREATE_COMPLETE state and cannot be signaled" is what an instance hears that boots too late."""
    account.create("web", {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    stack_id = account.stack("web")["StackId"]

    with pytest.raises(ServiceError, match="is in CREATE_COMPLETE state and cannot be signaled") as refused:
        account.signal("web", "Topic", "i-1")
    assert (refused.value.code, stack_id in refused.value.message) == ("ValidationError", True)
    with pytest.raises(ServiceError, match="Stack \\[none\\] does not exist"):
        account.signal("none", "Topic", "i-1")


def test_a_signal_to_a_resource_the_stack_lacks_is_refused(account):
    """The logical id must be one of the stack's."""
    waiting(account)

    with pytest.raises(ServiceError, match="Resource Steady does not exist for stack web"):
        account.signal("web", "Steady", "a")


def test_a_waiter_wakes_at_once():
    """A signal ends the wait, not the next look at a clock: an hour costs no second."""
    box = Mailbox(ScaledClock(1))
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(box.wait(lambda counts: counts["SUCCESS"] == 1, 3600)))
    waiter.start()
    box.put("a", "SUCCESS")
    waiter.join(2)

    assert answers == [True]


@pytest.mark.parametrize(("text", "length"), [("PT15M", 900), ("PT1H", 3600), ("PT1H2M3S", 3723), ("PT0S", 0)])
def test_durations_are_iso_8601(text, length):
    """PauseTime and Timeout are written PT#H#M#S."""
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["PT", "15M", "P1D", "PT1.5M", "", "pt5m"])
def test_other_durations_are_refused(text):
    """Anything else is no duration."""
    with pytest.raises(ValueError, match="is not a duration like PT15M"):
        seconds(text)
