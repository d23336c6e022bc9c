"""What a failed roll leaves behind: nothing that a later update would stumble over."""

from __future__ import annotations

from typing import Any

ROLL = {"MaxBatchSize": 1, "MinInstancesInService": 2, "PauseTime": "PT1M", "WaitOnResourceSignals": True}


def web(image: str) -> dict[str, Any]:
    """A group of two behind a launch template."""
    version = {"Fn::GetAtt": ["Template", "LatestVersionNumber"]}
    return {
        "Resources": {
            "Template": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": {"ImageId": image}}},
            "Group": {
                "Type": "AWS::AutoScaling::AutoScalingGroup",
                "UpdatePolicy": {"AutoScalingRollingUpdate": ROLL},
                "Properties": {
                    "MinSize": "2",
                    "MaxSize": "3",
                    "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Template"}, "Version": version},
                },
            },
        }
    }


def test_the_old_template_is_no_change_after_a_failed_roll(account):
    """The group is back at the launch template version it had: applying the old template again finds nothing to do."""
    account.create("web", web("ami-1"))
    account.scaling.launched = lambda _group, instance: account.signal("web", "Group", instance, "FAILURE")

    assert account.update("web", web("ami-2"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"

    assert account.look("web", web("ami-1"))["Status"] == "FAILED"
    assert set(account.changes("web", web("ami-3"))) == {"Template", "Group"}


def test_a_failed_roll_leaves_the_sizes_of_the_template(account):
    """Capacity raised for the roll is lowered again by the rollback."""
    account.create("web", web("ami-1"))
    account.scaling.launched = lambda _group, instance: account.signal("web", "Group", instance, "FAILURE")

    account.update("web", web("ami-2"))

    group = account.scaling.groups["web-Group"]
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"]) == (2, 2, 3)
    assert [row["InstanceId"] for row in group["Instances"]] == ["i-0001", "i-0002"]
