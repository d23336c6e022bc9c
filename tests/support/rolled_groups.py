"""A group whose launch template changes with its version, and instances that signal."""

from __future__ import annotations

from typing import Any

ROLL = {"MaxBatchSize": 1, "MinInstancesInService": 3, "PauseTime": "PT15M", "WaitOnResourceSignals": True}


INITIATED = (
    "Rolling update initiated. Terminating 3 obsolete instance(s) in batches of 1, while keeping at least 3 instance(s) in service. "
    "Waiting on resource signals with a timeout of PT15M when new instances are added to the autoscaling group."
)


def group(
    version: str = "1",
    *,
    least: int = 3,
    most: int = 4,
    roll: dict[str, Any] | None = None,
    creation: dict[str, Any] | None = None,
    **properties: Any,
) -> dict[str, Any]:
    """A group whose launch template changes with `version`."""
    definition: dict[str, Any] = {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "Properties": {
            "MinSize": str(least),
            "MaxSize": str(most),
            "LaunchTemplate": {
                "LaunchTemplateId": {"Ref": "Template"},
                "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
            },
            **properties,
        },
    }
    if roll is not None:
        definition["UpdatePolicy"] = {"AutoScalingRollingUpdate": roll}
    if creation is not None:
        definition["CreationPolicy"] = creation
    return {
        "Resources": {
            "Template": {
                "Type": "AWS::EC2::LaunchTemplate",
                "Properties": {"LaunchTemplateData": {"ImageId": f"ami-{version}"}},
            },
            "Group": definition,
        }
    }


def signalling(account, status="SUCCESS", *, only=lambda _number: True):
    """Let every new instance signal as soon as it exists."""

    def launched(_group: str, instance: str) -> None:
        if only(int(instance[2:])):
            account.signal("web", "Group", instance, status)

    account.scaling.launched = launched
