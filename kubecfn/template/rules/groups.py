"""Rules about auto scaling groups: what must be there before and after them, how they roll, when they give up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kubecfn.template.rules.rule import Broken, Rule
from kubecfn.template.rules.view import View, as_list, target, texts

_GROUP = "AutoScaling::AutoScalingGroup"
_TERMINATING = "EC2 Instance-terminate Lifecycle Action"
_WAYS = ("EC2::Route", "EC2::VPCEndpoint", "EC2::NatGateway")
_SUSPENDED = {"HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AlarmNotification", "ScheduledActions"}


def _ways_out(view: View) -> Broken:
    ways = {logical_id for logical_id, _ in view.of_type(*_WAYS)}
    routes = {name: target(p.get("SubnetId")) for name, p in view.of_type("EC2::SubnetRouteTableAssociation")}
    for group, _ in (*view.of_type(_GROUP), *view.functions_inside()):
        needed = view.needed_by(group)
        for missing in sorted((ways | {name for name, subnet in routes.items() if subnet in needed}) - needed):
            yield group, f"does not depend on {missing}, so what it runs may start without it or outlive it"


def _security_rules(view: View) -> Broken:
    opened: dict[str, set[str]] = {}
    for rule, properties in view.of_type("EC2::SecurityGroupIngress", "EC2::SecurityGroupEgress"):
        if "SourceSecurityGroupId" in properties:
            opened.setdefault(target(properties["GroupId"]) or "", set()).add(rule)
    for group, _ in view.of_type(_GROUP):
        needed = view.needed_by(group)
        for missing in sorted(set().union(*(rules for owner, rules in opened.items() if owner in needed)) - needed):
            concerned = view.edges[missing] <= needed
            if concerned:
                yield group, f"does not depend on {missing}, so its instances may boot before it is open"
    for function, properties in view.functions_inside():
        for missing in sorted(_let_in(view, properties) - view.needed_by(function)):
            yield function, f"does not depend on {missing}, so it may knock before it is open"


def _let_in(view: View, function: Mapping[str, Any]) -> set[str]:
    """Return the rules by which a function in the VPC is let in somewhere."""
    own = {target(one) for one in as_list(function["VpcConfig"].get("SecurityGroupIds"))}
    rules = view.of_type("EC2::SecurityGroupIngress")
    return {rule for rule, properties in rules if target(properties.get("SourceSecurityGroupId")) in own}


def _callers_outlive(view: View) -> Broken:
    for group, _ in view.of_type(_GROUP):
        needed = view.needed_by(group)
        for function, properties in view.functions_inside():
            open_to = {target(view.resources[rule]["Properties"]["GroupId"]) for rule in _let_in(view, properties)}
            if open_to & _guarding(view, group) and function not in needed:
                yield group, f"does not depend on {function}, which looks after its instances while there are any"


def _guarding(view: View, group: str) -> set[str | None]:
    """Return the security groups of a group's instances."""
    templates = view.edges[group]
    return {
        target(one)
        for name, properties in view.of_type("EC2::LaunchTemplate")
        if name in templates
        for one in as_list(properties["LaunchTemplateData"].get("SecurityGroupIds"))
    }


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _answers(detail: Mapping[str, Any], group: Mapping[str, Any], hook: Mapping[str, Any]) -> bool:
    """Return whether an event rule's detail lets a hook's event through."""
    given = (
        ("AutoScalingGroupName", group.get("AutoScalingGroupName")),
        ("LifecycleHookName", hook["LifecycleHookName"]),
    )
    return all(any(_same(choice, value) for choice in as_list(detail[name])) for name, value in given if name in detail)


def _hooks(view: View) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    for group, properties in view.of_type(_GROUP):
        for hook in as_list(properties.get("LifecycleHookSpecificationList")):
            yield group, properties, hook


def _hooks_are_answered(view: View) -> Broken:
    for group, properties, hook in _hooks(view):
        rules = [
            (name, rule)
            for name, rule in view.of_type("Events::Rule")
            if _TERMINATING in as_list(rule.get("EventPattern", {}).get("detail-type"))
            and _answers(rule["EventPattern"].get("detail", {}), properties, hook)
            and any(_may_complete(view, target(aim.get("Arn"))) for aim in as_list(rule.get("Targets")))
        ]
        if not rules:
            yield group, "has a hook whose event reaches no function that may complete it"
        for missing in sorted(set(_answering(view, rules)) - view.needed_by(group)):
            yield group, f"does not depend on {missing}, so its hook may wait in vain when the stack comes or goes"


def _may_complete(view: View, function: str | None) -> bool:
    role = target(view.resources.get(function or "", {}).get("Properties", {}).get("Role"))
    policies = view.resources.get(role or "", {}).get("Properties", {}).get("Policies")
    return "autoscaling:CompleteLifecycleAction" in {text for _, text in texts(policies)}


def _answering(view: View, rules: list[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Yield all that must stand for these rules to have an effect: rules, functions, permissions, roles, log groups."""
    names = {name for name, _ in rules}
    functions = {target(aim.get("Arn")) for _, rule in rules for aim in as_list(rule.get("Targets"))} - {None}
    yield from names
    for function in functions:
        yield str(function)
        yield from view.needed_by(str(function))
    for permission, properties in view.of_type("Lambda::Permission"):
        if target(properties.get("FunctionName")) in functions:
            yield permission


def _no_separate_hooks(view: View) -> Broken:
    for hook, _ in view.of_type("AutoScaling::LifecycleHook"):
        yield (
            hook,
            "is a hook of its own: it misses its group's first instances; put it into LifecycleHookSpecificationList",
        )


def _creation_waits(view: View) -> Broken:
    for group, properties in view.of_type(_GROUP):
        signal = view.resources[group].get("CreationPolicy", {}).get("ResourceSignal", {})
        if (view.least(properties.get("MinSize")) or 0) > 0 and (view.least(signal.get("Count")) or 0) < 1:
            yield group, "has instances from the start but a CreationPolicy without their count"


def _rolling(view: View, group: str) -> Mapping[str, Any]:
    policy: Mapping[str, Any] = view.resources[group].get("UpdatePolicy", {}).get("AutoScalingRollingUpdate", {})
    return policy


def _rolls_by_signals(view: View) -> Broken:
    for group, _ in view.of_type(_GROUP):
        policy = _rolling(view, group)
        if policy.get("WaitOnResourceSignals") not in {True, "true"} or "PauseTime" not in policy:
            yield group, "rolls without waiting for the new instances' signals"
        for process in sorted(_SUSPENDED - set(as_list(policy.get("SuspendProcesses")))):
            yield group, f"does not suspend {process} while it rolls"


def _room_to_roll(view: View) -> Broken:
    for group, properties in view.of_type(_GROUP):
        in_service = view.usual(_rolling(view, group).get("MinInstancesInService", 0))
        largest = view.usual(properties.get("MaxSize"))
        if in_service is not None and largest is not None and in_service >= largest:
            yield group, f"cannot roll: MinInstancesInService {in_service} is not below MaxSize {largest}"


def _sizes_are_the_autoscalers(view: View) -> Broken:
    for group, properties in view.of_type(_GROUP):
        scheduled = view.resources[group].get("UpdatePolicy", {}).get("AutoScalingScheduledAction", {})
        if scheduled.get("IgnoreUnmodifiedGroupSizeProperties") not in {True, "true"}:
            yield group, "resets its size with every update: IgnoreUnmodifiedGroupSizeProperties is not true"
        keys = {tag.get("Key") for tag in as_list(properties.get("Tags"))}
        if "k8s.io/cluster-autoscaler/enabled" in keys and "DesiredCapacity" in properties:
            yield group, "sets DesiredCapacity, which is the autoscaler's"


def _no_load_balancer_health(view: View) -> Broken:
    for group, properties in view.of_type(_GROUP):
        if properties.get("HealthCheckType", "EC2") != "EC2":
            yield group, "lets a load balancer's health check end its instances: one outage would end all of them"


def _abandon_retains(view: View) -> Broken:
    for group, properties, hook in _hooks(view):
        triggers = properties.get("InstanceLifecyclePolicy", {}).get("RetentionTriggers", {})
        retains = triggers.get("TerminateHookAbandon") == "retain"
        if hook.get("DefaultResult", "ABANDON") == "ABANDON" and not retains:
            yield group, "abandons at a hook without TerminateHookAbandon: retain, so its instance ends all the same"
        if retains and not any(
            target(output.get("Value")) == group for output in view.data.get("Outputs", {}).values()
        ):
            yield group, "retains instances but no output names it: deletion must find it to lift that first"


RULES = (
    Rule(
        "K101",
        "A group, like a function in the VPC, depends on every route, endpoint and gateway of its network.",
        "CloudFormation: DependsOn attribute, 'When a DependsOn attribute is required'",
        _ways_out,
    ),
    Rule(
        "K102",
        "A group depends on what answers its hooks: event rule, function, permission, role, log group.",
        "Auto Scaling: Lifecycle hooks, 'Considerations and limitations' (an unanswered hook waits out its heartbeat)",
        _hooks_are_answered,
    ),
    Rule(
        "K103",
        "A group, like a function in the VPC, depends on the security group rules that it needs.",
        "CloudFormation: AWS::EC2::SecurityGroupIngress (rules are resources of their own)",
        _security_rules,
    ),
    Rule(
        "K104",
        "Hooks stand in the group's LifecycleHookSpecificationList.",
        "CloudFormation: AWS::AutoScaling::LifecycleHook; giantswarm/aws-operator#2111",
        _no_separate_hooks,
    ),
    Rule(
        "K105",
        "A group that starts with instances waits for that many signals.",
        "CloudFormation: CreationPolicy attribute, ResourceSignal Count (default 1)",
        _creation_waits,
    ),
    Rule(
        "K106",
        "A group rolls by signals, with the processes suspended that would disturb it.",
        "CloudFormation: UpdatePolicy attribute, AutoScalingRollingUpdate, SuspendProcesses and WaitOnResourceSignals",
        _rolls_by_signals,
    ),
    Rule(
        "K107",
        "MinInstancesInService is below MaxSize.",
        "CloudFormation: UpdatePolicy attribute, MinInstancesInService",
        _room_to_roll,
    ),
    Rule(
        "K108",
        "An update leaves an autoscaler's sizes alone.",
        "CloudFormation: UpdatePolicy attribute, AutoScalingScheduledAction",
        _sizes_are_the_autoscalers,
    ),
    Rule(
        "K109",
        "Only EC2's own health check ends an instance.",
        "Auto Scaling: Health checks for instances, 'Elastic Load Balancing health checks'",
        _no_load_balancer_health,
    ),
    Rule(
        "K110",
        "ABANDON comes with retain, and a group that retains is named by an output.",
        "CloudFormation: AWS::AutoScaling::AutoScalingGroup RetentionTriggers; terraform-provider-aws#49071",
        _abandon_retains,
    ),
    Rule(
        "K111",
        "A group depends on the functions in the VPC that its instances let in.",
        "etcd: Runtime reconfiguration (a member that leaves has to be removed by somebody, to the last)",
        _callers_outlive,
    ),
)
