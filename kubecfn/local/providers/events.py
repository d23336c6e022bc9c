"""EventBridge rules with their targets, and schedules."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any

from kubecfn.local.providers.resource import Aws, Resource, changed, pick, refusal
from kubecfn.local.providers.seam import Properties


class Rule(Resource):
    """A rule and its targets; ``Ref`` is the name, with the bus before it when that is not the default one."""

    type = "AWS::Events::Rule"
    fixed = ("EventBusName", "Name")
    _settings = ("Description", "EventPattern", "RoleArn", "ScheduleExpression", "State")
    accepts = (*fixed, *_settings, "Tags", "Targets")
    gives = ("Arn", "RuleName")

    def make(self, aws: Aws, properties: Properties) -> str:
        name, bus = str(properties.get("Name") or aws.name(24, 24)), pick(properties, "EventBusName")
        if aws.exists("events", "DescribeRule", Name=name, **bus):
            raise refusal("PutRule", "ResourceAlreadyExistsException", f"Rule {name} already exists.")
        aws.call("events", "PutRule", Name=name, **bus, **pick(properties, *self._settings))
        return f"{bus['EventBusName']}|{name}" if bus.get("EventBusName", "default") != "default" else name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        bus = pick(new, "EventBusName")
        rule = {"Rule": self._name(physical_id), **bus}
        if old and changed(old, new, *self._settings):
            aws.call("events", "PutRule", Name=rule["Rule"], **bus, **pick(new, *self._settings))
        before, after = (
            {target["Id"]: target for target in properties.get("Targets", ())} for properties in (old, new)
        )
        if gone := sorted(set(before) - set(after)):
            _check("RemoveTargets", aws.call("events", "RemoveTargets", **rule, Ids=gone))
        if put := [target for key, target in after.items() if changed(before, after, key)]:
            _check("PutTargets", aws.call("events", "PutTargets", **rule, Targets=put))
        aws.retag("events", {"ResourceARN": self._arn(aws, rule)}, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        rule = {"Rule": self._name(physical_id), **pick(properties, "EventBusName")}
        return {"Arn": self._arn(aws, rule), "RuleName": rule["Rule"]}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        bus = pick(properties, "EventBusName")
        rule = {"Rule": self._name(physical_id), **bus}
        targets = aws.call("events", "ListTargetsByRule", **rule)["Targets"]
        if targets:
            ids = [target["Id"] for target in targets]
            _check("RemoveTargets", aws.call("events", "RemoveTargets", **rule, Ids=ids))
        aws.call("events", "DeleteRule", Name=rule["Rule"], **bus)

    def _name(self, physical_id: str) -> str:
        return physical_id.rpartition("|")[2]

    def _arn(self, aws: Aws, rule: dict[str, str]) -> str:
        bus = {"EventBusName": rule["EventBusName"]} if "EventBusName" in rule else {}
        return str(aws.call("events", "DescribeRule", Name=rule["Rule"], **bus)["Arn"])


def _check(operation: str, answer: dict[str, Any]) -> None:
    """Raise the first failure of an answer that reports failures beside success."""
    for entry in answer.get("FailedEntries", ()):
        raise refusal(operation, entry["ErrorCode"], entry["ErrorMessage"])


class Schedule(Resource):
    """A schedule; everything but its name and group changes in place."""

    type = "AWS::Scheduler::Schedule"
    fixed = ("GroupName", "Name")
    accepts = (
        *fixed, "Description", "EndDate", "FlexibleTimeWindow", "KmsKeyArn", "ScheduleExpression",
        "ScheduleExpressionTimezone", "StartDate", "State", "Target",
    )  # fmt: skip
    gives = ("Arn",)

    def make(self, aws: Aws, properties: Properties) -> str:
        name = str(properties.get("Name") or aws.name(24, 24))
        aws.call("scheduler", "CreateSchedule", **{**properties, "Name": name})
        return name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self.accepts):
            aws.call("scheduler", "UpdateSchedule", **{**new, "Name": physical_id})

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        group = pick(properties, "GroupName")
        return {"Arn": aws.call("scheduler", "GetSchedule", Name=physical_id, **group)["Arn"]}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("scheduler", "DeleteSchedule", Name=physical_id, **pick(properties, "GroupName"))


class ScheduleGroup(Resource):
    """A group of schedules, which go with it."""

    type = "AWS::Scheduler::ScheduleGroup"
    fixed = ("Name",)
    accepts = (*fixed, "Tags")
    gives = ("Arn", "CreationDate", "LastModificationDate", "State")
    deletes = ("scheduler", "DeleteScheduleGroup", "Name")

    def make(self, aws: Aws, properties: Properties) -> str:
        name = str(properties.get("Name") or aws.name(24, 24))
        aws.call("scheduler", "CreateScheduleGroup", Name=name)
        return name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        arn = aws.call("scheduler", "GetScheduleGroup", Name=physical_id)["Arn"]
        aws.retag("scheduler", {"ResourceArn": arn}, old, new)

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("scheduler", "GetScheduleGroup", Name=physical_id)  # the back end fails to delete what is not there
        super().remove(aws, physical_id, properties)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        found = aws.call("scheduler", "GetScheduleGroup", Name=physical_id)
        return {name: str(found.get(name, "")) for name in self.gives}
