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
# Amazon EC2 User Guide, "Spot Instance interruption notices": two minutes before, on a best-effort basis.
INTERRUPTED = "EC2 Spot Instance Interruption Warning"


@dataclass(frozen=True)
class Trigger:
    """When a function is invoked.

    Attributes:
        detail_types: of events from aws.autoscaling; empty for a schedule alone.
        detail: what the event's detail must say.
        every: rate expression, ``rate(5 minutes)``.
        spot: also by EC2's warnings that it takes spot instances back; of any in the region, since they name no group.
    """

    detail_types: tuple[str, ...]
    detail: Mapping[str, object]
    every: str
    spot: bool = False


def add_trigger(template: Template, function: str, arn: GetAtt, trigger: Trigger) -> tuple[str, ...]:
    """Add rule, schedule and the permissions for both; return the logical ids after which events arrive."""
    targets = [events.Target(Id=function, Arn=arn)]
    rules = []
    if trigger.detail_types:
        pattern = {
            "source": ["aws.autoscaling"],
            "detail-type": list(trigger.detail_types),
            "detail": dict(trigger.detail),
        }
        rules.append(events.Rule(f"{function}Rule", Description="Events", EventPattern=pattern, Targets=targets))
    if trigger.spot:
        warning = {"source": ["aws.ec2"], "detail-type": [INTERRUPTED]}
        rules.append(events.Rule(f"{function}SpotRule", Description="Spot", EventPattern=warning, Targets=targets))
    why = "In case an event is lost" if rules else "All that invokes it"
    rules.append(events.Rule(f"{function}Schedule", Description=why, ScheduleExpression=trigger.every, Targets=targets))
    return tuple(_permit(template, function, template.add_resource(rule)) for rule in rules)


def _permit(template: Template, function: str, rule: events.Rule) -> str:
    name = f"{rule.title.removesuffix('Rule')}Permission"
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
