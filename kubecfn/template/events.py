"""What invokes the functions: auto scaling's events, which may come twice or never, and a schedule for those lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from troposphere import GetAtt, Ref, Template, awslambda, events

from kubecfn.template.tags import role

# The same in every partition (serverless/serverless#5365: "The provided principal was invalid").
EVENTS_SERVICE = "events.amazonaws.com"
TERMINATING = "EC2 Instance-terminate Lifecycle Action"
LAUNCHED = "EC2 Instance Launch Successful"
TERMINATED = "EC2 Instance Terminate Successful"


@dataclass(frozen=True)
class Trigger:
    """When a function is invoked.

    Attributes:
        detail_types: of events from aws.autoscaling.
        detail: what the event's detail must say.
        every: rate expression, ``rate(5 minutes)``.
    """

    detail_types: tuple[str, ...]
    detail: Mapping[str, object]
    every: str


def add_trigger(template: Template, function: str, arn: GetAtt, trigger: Trigger) -> tuple[str, ...]:
    """Add rule, schedule and the permissions for both; return the logical ids after which events arrive."""
    pattern = {"source": ["aws.autoscaling"], "detail-type": list(trigger.detail_types), "detail": dict(trigger.detail)}
    rule = template.add_resource(
        events.Rule(
            f"{function}Rule",
            Description="Auto scaling events",
            EventPattern=pattern,
            Targets=[events.Target(Id=function, Arn=arn)],
        )
    )
    schedule = template.add_resource(
        events.Rule(
            f"{function}Schedule",
            Description="In case an event is lost",
            ScheduleExpression=trigger.every,
            Targets=[events.Target(Id=function, Arn=arn)],
        )
    )
    return (
        _permit(template, f"{function}Permission", function, rule),
        _permit(template, f"{function}SchedulePermission", function, schedule),
    )


def _permit(template: Template, name: str, function: str, rule: events.Rule) -> str:
    template.add_resource(
        awslambda.Permission(
            name,
            FunctionName=Ref(function),
            Action="lambda:InvokeFunction",
            Principal=EVENTS_SERVICE,
            SourceArn=GetAtt(rule, "Arn"),
            Metadata=role("Lets the rule in."),
        )
    )
    return name
