"""Rules about rights and partitions: no right wider than its call, no name that is true in one partition only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kubecfn.template.rules.rule import Broken, Rule
from kubecfn.template.rules.view import View, as_list, texts

# Service Authorization Reference: these have no resource types, or none that can name a group or instance beforehand.
WITHOUT_RESOURCES = frozenset(
    {
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:DescribeTags",
        "ec2:DescribeAvailabilityZones",
        "ec2:DescribeImages",
        "ec2:DescribeInstanceTopology",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeInstances",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeRegions",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeTags",
        "ec2:DescribeVolumeStatus",
        "ec2:DescribeVolumes",
        "ec2:DescribeVolumesModifications",
        "ec2:DescribeVpcs",
        "ecr:GetAuthorizationToken",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeLoadBalancerPolicies",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
    }
)
# Nor has this one, but its condition can name what it is about.
_BY_CONDITION = {"cloudwatch:PutMetricData": "cloudwatch:namespace"}
# The same names in every partition; China's suffix is refused (serverless/serverless#5365, mapbox/cloudfriend#37).
UNIVERSAL_PRINCIPALS = frozenset({"lambda.amazonaws.com", "events.amazonaws.com"})


def _partition(view: View) -> Broken:
    for logical_id, resource in view.resources.items():
        for path, text in texts(resource):
            literal_arn = "arn:aws:" in text or "arn:aws-" in text
            literal_host = "amazonaws.com" in text and text not in UNIVERSAL_PRINCIPALS
            if literal_arn or literal_host:
                yield (
                    logical_id,
                    f"is bound to one partition at {path.lstrip('/')}: write AWS::Partition or AWS::URLSuffix",
                )


def _statements(view: View) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for role, properties in view.of_type("IAM::Role"):
        for policy in as_list(properties.get("Policies")):
            yield from ((role, statement) for statement in as_list(policy["PolicyDocument"].get("Statement")))
    for policy_id, properties in view.of_type("IAM::Policy", "IAM::ManagedPolicy", "IAM::RolePolicy"):
        yield from ((policy_id, statement) for statement in as_list(properties["PolicyDocument"].get("Statement")))


def _bare_resource(view: View) -> Broken:
    for owner, statement in _statements(view):
        if statement.get("Effect") == "Allow" and "*" in as_list(statement.get("Resource")):
            conditions = {key for keys in statement.get("Condition", {}).values() for key in keys}
            for action in sorted(set(as_list(statement.get("Action"))) - WITHOUT_RESOURCES):
                if _BY_CONDITION.get(action) not in conditions:
                    yield owner, f"allows {action} on everything"


def _bare_action(view: View) -> Broken:
    for owner, statement in _statements(view):
        if statement.get("Effect") != "Allow":
            continue
        for action in as_list(statement.get("Action")):
            if "*" in action:
                yield owner, f"allows {action}: name the actions that are called"
        if "NotAction" in statement or "NotResource" in statement:
            yield owner, "allows everything but something"


def _managed_policies(view: View) -> Broken:
    for role, properties in view.of_type("IAM::Role"):
        if properties.get("ManagedPolicyArns"):
            yield role, "takes rights from a managed policy that this template does not show"


def _no_secrets(view: View) -> Broken:
    for name, parameter in view.parameters.items():
        if parameter.get("NoEcho"):
            yield name, "is a secret: parameters can be read by whoever may describe the stack's nodes"
    for logical_id, resource in view.resources.items():
        for path, text in texts(resource):
            if "PRIVATE KEY" in text or "{{resolve:" in text:
                yield logical_id, f"carries or fetches a secret at {path.lstrip('/')}"


RULES = (
    Rule(
        "K301",
        "Nothing names a partition or its suffix literally, but principals that are the same everywhere.",
        "General Reference: Amazon Resource Names; CloudFormation: Pseudo parameters reference",
        _partition,
    ),
    Rule(
        "K302",
        "Rights on every resource are given only for actions that know no resource.",
        "Service Authorization Reference: Amazon EC2 Auto Scaling, Amazon EC2",
        _bare_resource,
    ),
    Rule(
        "K303",
        "Rights name their actions.",
        "IAM: Security best practices, 'Apply least-privilege permissions'",
        _bare_action,
    ),
    Rule(
        "K304",
        "A role's rights stand in the template.",
        "IAM: Managed policies and inline policies",
        _managed_policies,
    ),
    Rule(
        "K305",
        "No secret passes through the template or its parameters.",
        "CloudFormation: Security best practices, 'Do not embed credentials in your templates'",
        _no_secrets,
    ),
)
