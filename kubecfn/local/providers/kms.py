"""Keys and their aliases."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from kubecfn.local.providers.resource import Aws, Resource, changed, pick
from kubecfn.local.providers.seam import Properties


class Key(Resource):
    """A key; deletion only schedules it ("ScheduleKeyDeletion"), 30 days ahead unless PendingWindowInDays says less."""

    type = "AWS::KMS::Key"
    fixed = ("BypassPolicyLockoutSafetyCheck", "KeySpec", "KeyUsage", "MultiRegion", "Origin")
    accepts = (
        *fixed, "Description", "EnableKeyRotation", "Enabled", "KeyPolicy", "PendingWindowInDays",
        "RotationPeriodInDays", "Tags",
    )  # fmt: skip
    gives = ("Arn", "KeyId")

    def make(self, aws: Aws, properties: Properties) -> str:
        given = pick(properties, *self.fixed, "Description")
        answer = aws.call("kms", "CreateKey", Policy=properties.get("KeyPolicy"), **given)
        return str(answer["KeyMetadata"]["KeyId"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        me = {"KeyId": physical_id}
        if old and changed(old, new, "Description"):
            aws.call("kms", "UpdateKeyDescription", **me, Description=new.get("Description", ""))
        if old and changed(old, new, "KeyPolicy"):
            aws.call("kms", "PutKeyPolicy", **me, PolicyName="default", Policy=new["KeyPolicy"])
        if changed(old, new, "EnableKeyRotation", "RotationPeriodInDays"):
            self._rotate(aws, me, new)
        if changed({"Enabled": True, **old}, {"Enabled": True, **new}, "Enabled"):
            enabled = str(new.get("Enabled", True)).lower() == "true"
            aws.call("kms", "EnableKey" if enabled else "DisableKey", **me)
        self._settle_tags(aws, me, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        return {"Arn": aws.call("kms", "DescribeKey", KeyId=physical_id)["KeyMetadata"]["Arn"], "KeyId": physical_id}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        days = properties.get("PendingWindowInDays", 30)
        try:
            aws.call("kms", "ScheduleKeyDeletion", KeyId=physical_id, PendingWindowInDays=days)
        except ClientError as error:
            if error.response["Error"]["Code"] != "KMSInvalidStateException":  # it is scheduled already
                raise

    def _rotate(self, aws: Aws, me: dict[str, str], new: Properties) -> None:
        if str(new.get("EnableKeyRotation", False)).lower() == "true":
            aws.call("kms", "EnableKeyRotation", **me, **pick(new, "RotationPeriodInDays"))
        else:
            aws.call("kms", "DisableKeyRotation", **me)

    def _settle_tags(self, aws: Aws, me: dict[str, str], old: Properties, new: Properties) -> None:
        if tags := [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in aws.tags(new.get("Tags"))]:
            aws.call("kms", "TagResource", **me, Tags=tags)
        if dropped := aws.dropped_tags(old, new):
            aws.call("kms", "UntagResource", **me, TagKeys=dropped)


class Alias(Resource):
    """An alias; it can point to another key in place."""

    type = "AWS::KMS::Alias"
    fixed = ("AliasName",)
    accepts = (*fixed, "TargetKeyId")
    deletes = ("kms", "DeleteAlias", "AliasName")

    def make(self, aws: Aws, properties: Properties) -> str:
        aws.call("kms", "CreateAlias", **properties)
        return str(properties["AliasName"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, "TargetKeyId"):
            aws.call("kms", "UpdateAlias", **new)
