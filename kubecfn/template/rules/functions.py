"""Rules about functions and the events that reach them."""

from __future__ import annotations

from kubecfn.template.rules.rule import Broken, Rule
from kubecfn.template.rules.view import View, as_list, target, texts

_FUNCTION = "Lambda::Function"
INTERFACES = frozenset(
    f"ec2:{name}"
    for name in (
        "CreateNetworkInterface",
        "DeleteNetworkInterface",
        "DescribeNetworkInterfaces",
        "DescribeSubnets",
        "AssignPrivateIpAddresses",
        "UnassignPrivateIpAddresses",
    )
)


def _no_reserved_concurrency(view: View) -> Broken:
    for name, properties in view.of_type(_FUNCTION):
        if "ReservedConcurrentExecutions" in properties:
            yield name, "reserves concurrency, which young accounts (limit 10) refuse"


def _inside_for_a_reason(view: View) -> Broken:
    let_in = {target(rule.get("SourceSecurityGroupId")) for _, rule in view.of_type("EC2::SecurityGroupIngress")}
    for name, properties in view.functions_inside():
        if not {target(one) for one in as_list(properties["VpcConfig"].get("SecurityGroupIds"))} & let_in:
            yield name, "stands in the VPC, where no rule lets it in, and its interfaces outlive it by up to 40 minutes"


def _may_have_interfaces(view: View) -> Broken:
    for name, properties in view.functions_inside():
        role = view.resources.get(target(properties.get("Role")) or "", {}).get("Properties", {})
        allowed = {text for _, text in texts(role.get("Policies"))}
        for missing in sorted(INTERFACES - allowed):
            yield name, f"stands in the VPC, and its role may not {missing}: Lambda refuses to make it"


def _logs_end(view: View) -> Broken:
    for name, properties in view.of_type(_FUNCTION):
        group = target(properties.get("LoggingConfig", {}).get("LogGroup"))
        if group not in view.resources:
            yield name, "writes to a log group that the stack does not own: it would stay behind and never end"
    for name, properties in view.of_type("Logs::LogGroup"):
        if "RetentionInDays" not in properties:
            yield name, "keeps logs for ever"
        if "KmsKeyId" not in properties:
            yield name, "is not encrypted with the cluster's key"


def _events_arrive(view: View) -> Broken:
    allowed = {
        (target(properties.get("FunctionName")), target(properties.get("SourceArn")))
        for _, properties in view.of_type("Lambda::Permission")
    }
    for rule, properties in view.of_type("Events::Rule"):
        for aim in as_list(properties.get("Targets")):
            function = target(aim.get("Arn"))
            if function in view.resources and (function, rule) not in allowed:
                yield rule, f"may not invoke {function}: EventBridge would be silent about it"


def _permissions_name_their_source(view: View) -> Broken:
    for name, properties in view.of_type("Lambda::Permission"):
        if "SourceArn" not in properties:
            yield name, "lets a whole service in: any account's rule could invoke the function"


def _lost_events_are_made_up_for(view: View) -> Broken:
    scheduled = {
        target(aim.get("Arn"))
        for _, properties in view.of_type("Events::Rule")
        if "ScheduleExpression" in properties
        for aim in as_list(properties.get("Targets"))
    }
    for rule, properties in view.of_type("Events::Rule"):
        for aim in as_list(properties.get("Targets")):
            if "EventPattern" in properties and target(aim.get("Arn")) not in scheduled:
                yield (
                    rule,
                    f"is all that invokes {target(aim.get('Arn'))}: events get lost, so it needs a schedule, too",
                )


RULES = (
    Rule(
        "K401",
        "No function reserves concurrency.",
        "Lambda: Lambda quotas, 'Compute and storage' (new accounts have reduced concurrency)",
        _no_reserved_concurrency,
    ),
    Rule(
        "K402",
        "A function stands in the VPC only where a security group rule lets it in.",
        "Lambda: Giving Lambda functions access to resources in a VPC, 'Understanding Hyperplane ENIs'",
        _inside_for_a_reason,
    ),
    Rule(
        "K403",
        "Every function writes to a log group of the stack, and every log group ends and is encrypted.",
        "Lambda: Sending Lambda function logs to CloudWatch Logs; CloudWatch Logs: PutRetentionPolicy",
        _logs_end,
    ),
    Rule(
        "K404",
        "Every event rule may invoke its target.",
        "EventBridge: Using resource-based policies, 'AWS Lambda permissions'",
        _events_arrive,
    ),
    Rule(
        "K405",
        "A permission names the rule it is for.",
        "Lambda: Using resource-based policies, 'Granting access to AWS services' (confused deputy)",
        _permissions_name_their_source,
    ),
    Rule(
        "K406",
        "A function that events invoke is invoked by a schedule, too.",
        "EventBridge: Retry policy and dead-letter queues; Auto Scaling events are delivered on a best-effort basis",
        _lost_events_are_made_up_for,
    ),
    Rule(
        "K407",
        "The role of a function in the VPC may do what Lambda does with network interfaces in its name.",
        "AWS managed policy reference: AWSLambdaVPCAccessExecutionRole",
        _may_have_interfaces,
    ),
)
