"""What an explanation needs to know, collected from AWS."""

from __future__ import annotations

from collections.abc import Mapping

from kubecfn.deploy.aws import Aws, doing
from kubecfn.deploy.changeset import ChangeSet
from kubecfn.deploy.explain import StackFacts, Subject
from kubecfn.deploy.stacks import Event, events, policy_of, resources, template_of
from kubecfn.deploy.templates import parse
from kubecfn.deploy.track import observed_boot

GROUP = "AWS::AutoScaling::AutoScalingGroup"
_MOST_EVENTS = 300


def subject_of(aws: Aws, change_set: ChangeSet, template: str, parameters: Mapping[str, str]) -> Subject:
    """Return everything `explain` looks at.

    Args:
        aws: account and region.
        change_set: which.
        template: the new template's text.
        parameters: its values by name.
    """
    before = change_set.before
    if not before.stands:
        facts = StackFacts(change_set.stack, exists=False)
        return Subject(facts, change_set.changes, {}, parse(template), {}, parameters)
    facts = StackFacts(
        change_set.stack,
        exists=True,
        policy=policy_of(aws, before.id),
        sizes=group_sizes(aws, before.id),
        boot_seconds=observed_boot(_recent(aws, before.id)),
    )
    return Subject(
        stack=facts,
        changes=change_set.changes,
        old_template=template_of(aws, before.id),
        new_template=parse(template),
        old_parameters=before.parameters,
        new_parameters=parameters,
        tags_changed=dict(change_set.tags) != dict(before.tags),
    )


def new_stack(stack: str, template: str, parameters: Mapping[str, str]) -> Subject:
    """Return the same for a stack that does not exist and that nobody could ask about: everything in it is added."""
    parsed = parse(template)
    changes = tuple(
        {"Action": "Add", "LogicalResourceId": name, "ResourceType": resource["Type"]}
        for name, resource in parsed["Resources"].items()
    )
    return Subject(StackFacts(stack, exists=False), changes, {}, parsed, {}, parameters)


def group_sizes(aws: Aws, stack: str) -> dict[str, int]:
    """Return how many instances each group of a stack shall have now, by logical id; those that are leaving do not count."""
    names = {one.physical_id: one.logical_id for one in resources(aws, stack) if one.type == GROUP and one.physical_id}
    if not names:
        return {}
    with doing(f"looking at the groups of {stack}"):
        pages = aws.client("autoscaling").get_paginator("describe_auto_scaling_groups")
        found = pages.paginate(AutoScalingGroupNames=list(names))
        return {
            names[group["AutoScalingGroupName"]]: int(group["DesiredCapacity"])
            for page in found
            for group in page["AutoScalingGroups"]
        }


def _recent(aws: Aws, stack: str) -> list[Event]:
    newest = [event for event, _ in zip(events(aws, stack), range(_MOST_EVENTS), strict=False)]
    return newest[::-1]
