"""What a call asks for: the actions and resources IAM judges, and the condition keys that go with them.

Source: Service Authorization Reference, "Actions, resources, and condition keys" of each service; section titles are the
services' names. An operation without a line here is judged on resource ``*`` and the record says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubecfn.local.api import Call
from kubecfn.local.iam import asked_balancers, asked_s3, asked_volumes
from kubecfn.local.iam.conditions import Context
from kubecfn.local.iam.lookups import Look, arn
from kubecfn.local.world import partition_of


@dataclass(frozen=True)
class Asked:
    """One question to the policies.

    Attributes:
        action: ``service:Action``.
        resource: an ARN, or ``*``.
        context: the condition keys known for it.
    """

    action: str
    resource: str
    context: Context


@dataclass(frozen=True)
class Target:
    """One resource of a call and what is known about it."""

    arn: str
    context: Context = field(default_factory=Context)


# botocore's service name -> prefix of its actions, where they differ.
PREFIXES = {
    "elbv2": "elasticloadbalancing",
    "elb": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
    "stepfunctions": "states",
}
# Actions that know no resource: only "*" can ever be written for them.
NO_RESOURCE = re.compile(
    r"ec2:Describe\w+|autoscaling:Describe\w+|elasticloadbalancing:Describe\w+|cloudwatch:PutMetricData"
    r"|cloudwatch:(List|Describe|Get)Metric\w+|route53:ListHostedZones(ByName)?|logs:DescribeLogGroups|kms:ListAliases"
    r"|kms:ListKeys|lambda:ListFunctions|ssm:DescribeParameters|cloudformation:ListStacks|tag:\w+|sts:GetSessionToken"
    r"|ecr:GetAuthorizationToken"
)

Where = Callable[[Call, Look], Target]


def _tagged(found: tuple[str, Mapping[str, str]], *prefixes: str) -> Target:
    name, tags = found
    keys = ("aws:ResourceTag/", *prefixes)
    return Target(name, Context({f"{key}{tag}": value for key in keys for tag, value in tags.items()}, frozenset(keys)))


def _group(call: Call, look: Look) -> Target:
    return _tagged(look.group(call, call.params.get("AutoScalingGroupName", "")), "autoscaling:ResourceTag/")


def _instances_group(call: Call, look: Look) -> Target:
    return _tagged(look.group_of_instance(call, call.params.get("InstanceId", "")), "autoscaling:ResourceTag/")


def _stack(call: Call, look: Look) -> Target:
    return _tagged(look.stack(call, call.params.get("StackName", "*")))


def _zone(call: Call, _: Look) -> Target:
    zone = str(call.params.get("HostedZoneId", call.params.get("Id", ""))).removeprefix("/hostedzone/")
    return Target(arn(call, "route53", f"hostedzone/{zone}", region="", account=""), _record_sets(call))


def _record_sets(call: Call) -> Context:
    """Return Route 53's own keys ("Using IAM policy conditions for fine-grained access control")."""
    changes = call.params.get("ChangeBatch", {}).get("Changes", [])
    sets = [change["ResourceRecordSet"] for change in changes]
    prefix = "route53:ChangeResourceRecordSets"
    keys = {
        f"{prefix}NormalizedRecordNames": _unique(one["Name"].rstrip(".").lower() for one in sets),
        f"{prefix}RecordTypes": _unique(one["Type"] for one in sets),
        f"{prefix}Actions": _unique(change["Action"] for change in changes),
    }
    return Context({key: values for key, values in keys.items() if values}, frozenset(keys))


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _change(call: Call, _: Look) -> Target:
    change = str(call.params.get("Id", "")).removeprefix("/change/")
    return Target(arn(call, "route53", f"change/{change}", region="", account=""))


def _log_stream(call: Call, _: Look) -> Target:
    group, stream = call.params.get("logGroupName", ""), call.params.get("logStreamName", "")
    return Target(arn(call, "logs", f"log-group:{group}:log-stream:{stream}"))


def _function(call: Call, _: Look) -> Target:
    name = str(call.params.get("FunctionName", ""))
    qualifier = f":{call.params['Qualifier']}" if call.params.get("Qualifier") else ""
    return Target((name if name.startswith("arn:") else arn(call, "lambda", f"function:{name}")) + qualifier)


def _key(call: Call, look: Look) -> Target:
    named, ciphertext = call.params.get("KeyId"), call.params.get("CiphertextBlob", b"")
    context = call.params.get("EncryptionContext", {})
    keys = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    absent = frozenset({"kms:EncryptionContext:", "kms:EncryptionContextKeys", "kms:ViaService"})
    if context:
        keys["kms:EncryptionContextKeys"] = list(context)
    return Target(
        look.key(call, named) if named else look.key_of(call, ciphertext),
        Context({**keys, "kms:CallerAccount": call.account}, absent),
    )


def _parameter(call: Call, _: Look) -> Target:
    name = str(call.params.get("Name", call.params.get("Path", "")))
    return Target(name if name.startswith("arn:") else arn(call, "ssm", f"parameter/{name.lstrip('/')}"))


def _named(service: str, pattern: str, member: str) -> Where:
    return lambda call, _: Target(arn(call, service, pattern.format(call.params.get(member, ""))))


def _given(member: str) -> Where:
    return lambda call, _: Target(str(call.params.get(member, "*")))


def _ec2(kind: str, member: str) -> Where:
    def where(call: Call, look: Look) -> Target:
        named = call.params.get(member, "")
        resource = str(named[0] if isinstance(named, list) and named else named)
        return _tagged((arn(call, "ec2", f"{kind}/{resource}"), look.ec2_tags(call, resource)), "ec2:ResourceTag/")

    return where


def _new_interface(call: Call, _: Look) -> Target:
    """One of the three resources that EC2 asks about; the subnet and the security groups go unasked here."""
    return Target(arn(call, "ec2", "network-interface/*"))


_INSTANCE = _ec2("instance", "InstanceId")
_BUS = _named("events", "event-bus/{}", "EventBusName")
RESOURCES: dict[str, Where] = {
    **dict.fromkeys(
        (
            "autoscaling:CompleteLifecycleAction",
            "autoscaling:RecordLifecycleActionHeartbeat",
            "autoscaling:SetInstanceProtection",
            "autoscaling:SuspendProcesses",
            "autoscaling:ResumeProcesses",
            "autoscaling:UpdateAutoScalingGroup",
            "autoscaling:SetDesiredCapacity",
            "autoscaling:EnterStandby",
            "autoscaling:ExitStandby",
            "autoscaling:DetachInstances",
        ),
        _group,
    ),
    **dict.fromkeys(
        ("autoscaling:SetInstanceHealth", "autoscaling:TerminateInstanceInAutoScalingGroup"), _instances_group
    ),
    **dict.fromkeys(
        (
            "cloudformation:SignalResource",
            "cloudformation:DescribeStacks",
            "cloudformation:DescribeStackResource",
            "cloudformation:DescribeStackResources",
            "cloudformation:DescribeStackEvents",
            "cloudformation:ListStackResources",
            "cloudformation:GetTemplate",
        ),
        _stack,
    ),
    **dict.fromkeys(
        (
            "route53:ChangeResourceRecordSets",
            "route53:ListResourceRecordSets",
            "route53:GetHostedZone",
            "route53:ListTagsForResource",
        ),
        _zone,
    ),
    "route53:GetChange": _change,
    **dict.fromkeys(
        (
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "logs:DescribeLogStreams",
            "logs:GetLogEvents",
            "logs:FilterLogEvents",
            "logs:PutRetentionPolicy",
        ),
        _log_stream,
    ),
    **dict.fromkeys(("lambda:InvokeFunction", "lambda:GetFunction", "lambda:GetFunctionConfiguration"), _function),
    **dict.fromkeys(
        (
            "kms:Decrypt",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:DescribeKey",
            "kms:CreateGrant",
        ),
        _key,
    ),
    **dict.fromkeys(("ssm:GetParameter", "ssm:GetParametersByPath", "ssm:PutParameter"), _parameter),
    "sts:AssumeRole": _given("RoleArn"),
    "sns:Publish": _given("TopicArn"),
    "events:PutRule": _named("events", "rule/{}", "Name"),
    "events:PutEvents": _BUS,
    "cloudwatch:PutMetricAlarm": _named("cloudwatch", "alarm:{}", "AlarmName"),
    "ec2:TerminateInstances": _ec2("instance", "InstanceIds"),
    "ec2:CreateNetworkInterface": _new_interface,
    **dict.fromkeys(
        (
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ),
        _ec2("network-interface", "NetworkInterfaceId"),
    ),
    "ec2:ModifyInstanceAttribute": _INSTANCE,
    "ec2:ModifyNetworkInterfaceAttribute": _ec2("network-interface", "NetworkInterfaceId"),
}
# Services with one endpoint per partition are asked in that endpoint's region, wherever the client is.
_GLOBAL_SERVICES = frozenset({"iam", "route53"})
_GLOBAL = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}
# How Lambda names the sessions in which it acts in a role's name; those of a function's code are named after the function.
LAMBDA_ITSELF = "awslambda_"
# The API calls it so, IAM otherwise.
ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction"}


def asked(call: Call, principal: str, look: Look) -> tuple[list[Asked], str]:
    """Return the questions a call puts to the policies (all must be allowed), and what the model leaves out.

    Args:
        call: the call.
        principal: ARN of the role or user.
        look: answers about resources.
    """
    common = _common(call, principal)
    if call.service == "s3":
        questions, gap = asked_s3.questions(call, look)
        return [Asked(one.action, one.resource, _join(common, one.context)) for one in questions], gap
    volumes = asked_volumes.questions(call, look) if call.service == "ec2" else []
    if about := volumes or asked_balancers.questions(call, look):
        return [Asked(one.action, one.resource, _join(common, one.context)) for one in about], ""
    action = f"{PREFIXES.get(call.service, call.service)}:{call.operation}"
    action = ACTIONS.get(action, action)
    if NO_RESOURCE.fullmatch(action):
        return [Asked(action, "*", _join(common, _without_resource(call)))], ""
    if where := RESOURCES.get(action):
        target = where(call, look)
        return [Asked(action, target.arn, _join(common, target.context))], ""
    return [Asked(action, "*", common)], f"no resource is modelled for {action}: judged on *"


def _without_resource(call: Call) -> Context:
    values: dict[str, Any] = {}
    if namespace := call.params.get("Namespace"):
        values["cloudwatch:namespace"] = namespace
    return Context(values, frozenset({"aws:ResourceTag/", "cloudwatch:namespace"}))


def _join(common: Context, own: Context) -> Context:
    return common.also(own.values, tuple(own.absent))


def _common(call: Call, principal: str) -> Context:
    """Return the global condition keys ("AWS global condition context keys"); loopback stands for TLS."""
    session = call.caller.rsplit("/", 1)[-1]
    values = {
        "aws:PrincipalArn": principal,
        "aws:PrincipalAccount": call.account,
        "aws:PrincipalType": "AssumedRole" if ":assumed-role/" in call.caller else "User",
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:RequestedRegion": _GLOBAL[partition_of(call.region)] if call.service in _GLOBAL_SERVICES else call.region,
        "aws:ResourceAccount": call.account,
        "aws:SecureTransport": "true",
    }
    absent = {
        "aws:SourceArn",
        "aws:SourceAccount",
        "aws:MultiFactorAuthPresent",
        "aws:PrincipalOrgID",
        "aws:SourceVpce",
    }
    if session.startswith("i-"):
        values["ec2:SourceInstanceARN"] = arn(call, "ec2", f"instance/{session}")
    elif ":assumed-role/" in call.caller and not session.startswith(LAMBDA_ITSELF):
        values["lambda:SourceFunctionArn"] = arn(call, "lambda", f"function:{session}")
    return Context(values, frozenset(absent | {"ec2:SourceInstanceARN", "lambda:SourceFunctionArn"}))
