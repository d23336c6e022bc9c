"""Every call this function makes to AWS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .records import Change, Record, ours

# Amazon Route 53 Developer Guide, "Quotas": five requests a second for a whole account, so others' calls slow ours.
_PATIENT = Config(retries={"mode": "standard", "max_attempts": 10})
# Amazon EC2 Auto Scaling User Guide, "Amazon EC2 Auto Scaling instance lifecycle": these have not been told to leave.
_STAYING = ("InService", "Pending", "Pending:Wait", "Pending:Proceed", "EnteringStandby", "Standby")


class ConflictError(Exception):
    """The zone was changed by another since it was read; nothing of ours was applied."""


@dataclass(frozen=True)
class Aws:
    """The services, as one caller sees them."""

    autoscaling: Any
    ec2: Any
    route53: Any

    @classmethod
    def connect(cls) -> Aws:
        """Return clients with the function's own role in its own region."""
        return cls(*(boto3.client(name, config=_PATIENT) for name in ("autoscaling", "ec2", "route53")))

    def running_controllers(self, group: str) -> dict[str, str]:
        """Return the private address by instance id of the group's members that run and have not been told to leave.

        A group that does not exist has none: so it is before the group is made and after it is deleted.
        """
        found = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
        members = [one for each in found for one in each["Instances"]]
        staying = [one["InstanceId"] for one in members if one["LifecycleState"] in _STAYING]
        if not staying:
            return {}
        # A filter, since asking by id fails as a whole while EC2 has yet to hear of one instance.
        filters = [
            {"Name": "instance-id", "Values": staying},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        instances = [one for page in pages for each in page["Reservations"] for one in each["Instances"]]
        return {one["InstanceId"]: one["PrivateIpAddress"] for one in instances if one.get("PrivateIpAddress")}

    def records(self, zone_id: str, domain: str) -> frozenset[Record]:
        """Return the zone's record sets that are this function's to change."""
        pages = self.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id)
        found = (_record(one) for page in pages for one in page["ResourceRecordSets"])
        return frozenset(record for record in found if ours(record, domain))

    def change_records(self, zone_id: str, changes: Iterable[Change]) -> None:
        """Apply all changes or none (Amazon Route 53 API Reference: ChangeResourceRecordSets, "Change Batches").

        Raises:
            ConflictError: a record to delete is no longer as it was read.
        """
        batch = {"Comment": "kubecfn: equal to the controllers", "Changes": [change.request() for change in changes]}
        try:
            self.route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidChangeBatch":
                raise ConflictError(str(error)) from error
            raise


def _record(found: dict[str, Any]) -> Record:
    values = frozenset(value["Value"] for value in found.get("ResourceRecords", []))
    return Record(found["Name"].rstrip(".").lower(), found["Type"], found.get("TTL", 0), values)
