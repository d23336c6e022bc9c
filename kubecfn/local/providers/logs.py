"""Log groups and metric filters."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any

from kubecfn.local.providers.resource import Aws, Resource, changed, pick
from kubecfn.local.providers.seam import Properties


class LogGroup(Resource):
    """A log group; retention and tags change in place.

    A key is given at creation only: the back end cannot exchange it (AssociateKmsKey).
    """

    type = "AWS::Logs::LogGroup"
    fixed = ("KmsKeyId", "LogGroupClass", "LogGroupName")
    accepts = (*fixed, "RetentionInDays", "Tags")
    gives = ("Arn",)
    deletes = ("logs", "DeleteLogGroup", "LogGroupName")

    def make(self, aws: Aws, properties: Properties) -> str:
        name = str(properties.get("LogGroupName") or aws.name())
        aws.call("logs", "CreateLogGroup", LogGroupName=name, **pick(properties, "KmsKeyId", "LogGroupClass"))
        return name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if changed(old, new, "RetentionInDays"):
            days = new.get("RetentionInDays")
            verb = "PutRetentionPolicy" if days else "DeleteRetentionPolicy"
            aws.call("logs", verb, LogGroupName=physical_id, RetentionInDays=days or None)
        arn = self._arn(aws, physical_id).removesuffix(":*")
        aws.retag("logs", {"ResourceArn": arn}, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        return {"Arn": self._arn(aws, physical_id)}

    def _arn(self, aws: Aws, name: str) -> str:
        context = aws.context
        return f"arn:{context.partition}:logs:{context.region}:{context.account}:log-group:{name}:*"


class MetricFilter(Resource):
    """A metric filter; pattern and transformations change in place."""

    type = "AWS::Logs::MetricFilter"
    fixed = ("FilterName", "LogGroupName")
    accepts = (*fixed, "FilterPattern", "MetricTransformations")

    def make(self, aws: Aws, properties: Properties) -> str:
        name = str(properties.get("FilterName") or aws.name())
        self._put(aws, name, properties)
        return name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self.accepts):
            # The back end takes a filter with another pattern for another filter.
            self.remove(aws, physical_id, old)
            self._put(aws, physical_id, new)

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("logs", "DeleteMetricFilter", FilterName=physical_id, LogGroupName=properties["LogGroupName"])

    def _put(self, aws: Aws, name: str, properties: Properties) -> None:
        transformations = [
            {
                **item,
                **({"Dimensions": {d["Key"]: d["Value"] for d in item["Dimensions"]}} if "Dimensions" in item else {}),
            }
            for item in properties["MetricTransformations"]
        ]
        given = pick(properties, "FilterPattern", "LogGroupName")
        aws.call("logs", "PutMetricFilter", FilterName=name, MetricTransformations=transformations, **given)
