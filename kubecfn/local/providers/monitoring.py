"""Alarms, and the parameters of Systems Manager."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any

from kubecfn.local.providers.resource import Aws, Resource, changed, pick, refusal
from kubecfn.local.providers.seam import Properties


class Alarm(Resource):
    """An alarm on a metric; everything but its name changes in place."""

    type = "AWS::CloudWatch::Alarm"
    fixed = ("AlarmName",)
    _settings = (
        "ActionsEnabled", "AlarmActions", "AlarmDescription", "ComparisonOperator", "DatapointsToAlarm", "Dimensions",
        "EvaluateLowSampleCountPercentile", "EvaluationPeriods", "ExtendedStatistic", "InsufficientDataActions",
        "MetricName", "Metrics", "Namespace", "OKActions", "Period", "Statistic", "Threshold", "ThresholdMetricId",
        "TreatMissingData", "Unit",
    )  # fmt: skip
    accepts = (*fixed, *_settings, "Tags")
    gives = ("Arn",)

    def make(self, aws: Aws, properties: Properties) -> str:
        name = str(properties.get("AlarmName") or aws.name())
        if self._look(aws, name):
            raise refusal("PutMetricAlarm", "AlreadyExists", f"{name} already exists")
        aws.call("cloudwatch", "PutMetricAlarm", AlarmName=name, **pick(properties, *self._settings))
        return name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self._settings):
            aws.call("cloudwatch", "PutMetricAlarm", AlarmName=physical_id, **pick(new, *self._settings))
        arn = self.attributes(aws, physical_id, new)["Arn"]
        aws.retag("cloudwatch", {"ResourceARN": arn}, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        return {"Arn": self._look(aws, physical_id)[0]["AlarmArn"]}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("cloudwatch", "DeleteAlarms", AlarmNames=[physical_id])

    def _look(self, aws: Aws, name: str) -> list[dict[str, Any]]:
        return list(aws.call("cloudwatch", "DescribeAlarms", AlarmNames=[name])["MetricAlarms"])


class Parameter(Resource):
    """A plain parameter; CloudFormation makes no SecureString ("AWS::SSM::Parameter")."""

    type = "AWS::SSM::Parameter"
    fixed = ("Name",)
    _settings = ("AllowedPattern", "DataType", "Description", "Tier", "Type", "Value")
    accepts = (*fixed, *_settings, "Tags")
    gives = ("Type", "Value")
    deletes = ("ssm", "DeleteParameter", "Name")

    def make(self, aws: Aws, properties: Properties) -> str:
        if properties.get("Type") == "SecureString":
            raise refusal("PutParameter", "ValidationException", "SecureString parameters cannot be made by a stack.")
        name = str(properties.get("Name") or f"CFN-{aws.context.logical_id}-{aws.name().rpartition('-')[2]}")
        aws.call("ssm", "PutParameter", Name=name, **pick(properties, *self._settings))
        return name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self._settings):
            aws.call("ssm", "PutParameter", Name=physical_id, Overwrite=True, **pick(new, *self._settings))
        if tags := aws.tags(_as_list(new.get("Tags", {}))):
            target = {"ResourceType": "Parameter", "ResourceId": physical_id}
            aws.call("ssm", "AddTagsToResource", **target, Tags=tags)
            if dropped := sorted(set(old.get("Tags", ())) - {tag["Key"] for tag in tags}):
                aws.call("ssm", "RemoveTagsFromResource", **target, TagKeys=dropped)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        return pick(aws.call("ssm", "GetParameter", Name=physical_id)["Parameter"], "Type", "Value")


def _as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """This type alone has its tags as a map."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
