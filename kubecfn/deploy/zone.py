"""Records in the cluster's zone that CloudFormation did not make: a zone that holds any cannot be deleted.

Source: Route 53 API reference, DeleteHostedZone (HostedZoneNotEmpty) and ChangeResourceRecordSets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubecfn.deploy.aws import Aws, code_of, doing
from kubecfn.deploy.stacks import Resource

_BATCH = 500  # ChangeResourceRecordSets takes 1,000 elements
_RECORD_TYPES = frozenset({"AWS::Route53::RecordSet", "AWS::Route53::RecordSetGroup"})
_GONE = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})


def foreign_records(aws: Aws, zone: str, own: Iterable[Resource]) -> list[dict[str, Any]]:
    """Return a zone's records but NS, SOA of the zone itself and those of the stack; empty when the zone is gone.

    Args:
        aws: account and region.
        zone: hosted zone ID.
        own: the stack's resources; those of a record type that still exist are CloudFormation's to delete.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    kept = {one.physical_id.lower().rstrip(".") for one in own if one.type in _RECORD_TYPES and one.status not in _GONE}
    with doing(f"listing the records of the zone {zone}"):
        try:
            apex = aws.client("route53").get_hosted_zone(Id=zone)["HostedZone"]["Name"]
            pages = aws.client("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
            records = [record for page in pages for record in page["ResourceRecordSets"]]
        except ClientError as error:
            if code_of(error) == "NoSuchHostedZone":
                return []
            raise
    return [
        record
        for record in records
        if not (record["Name"] == apex and record["Type"] in {"NS", "SOA"})
        and record["Name"].lower().rstrip(".") not in kept
    ]


def remove_records(aws: Aws, zone: str, records: list[dict[str, Any]]) -> None:
    """Delete records; one that is gone or different by now is left for the next look."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    for start in range(0, len(records), _BATCH):
        changes = [{"Action": "DELETE", "ResourceRecordSet": record} for record in records[start : start + _BATCH]]
        with doing(f"deleting records of the zone {zone}"):
            try:
                aws.client("route53").change_resource_record_sets(
                    HostedZoneId=zone, ChangeBatch={"Comment": "kubecfn delete", "Changes": changes}
                )
            except ClientError as error:
                if code_of(error) not in {"InvalidChangeBatch", "NoSuchHostedZone", "PriorRequestNotComplete"}:
                    raise
