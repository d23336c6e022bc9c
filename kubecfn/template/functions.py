"""The stack's few functions: each with a role of exactly its calls, its own log, and what invokes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from awacs import ec2 as may_ec2
from awacs.aws import Allow, Condition, Null, PolicyDocument, Statement
from troposphere import GetAtt, Ref, Sub, Template, awslambda, iam

from kubecfn.config import Config
from kubecfn.template.logs import add_log_group
from kubecfn.template.node_role import assumed_by
from kubecfn.template.parameters import Inputs, add_sha256
from kubecfn.template.storage import Storage

# The same in every partition: with China's suffix Lambda answers "principal was invalid" (mapbox/cloudfriend#37, #56).
LAMBDA_SERVICE = "lambda.amazonaws.com"
_RUNTIME = "python3.14"
_ANY_EC2 = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:*/*"


@dataclass(frozen=True)
class Inside:
    """A place in the VPC.

    Attributes:
        subnets: where its network interfaces are; their routes lead to AWS's API endpoints.
        security_group: its own.
        ready: logical ids of what must stand before its first run and until it is gone: routes, security group rules.
    """

    subnets: Sequence[Ref]
    security_group: GetAtt
    ready: Sequence[str]


@dataclass(frozen=True)
class Function:
    """One function of ours.

    Attributes:
        logical_id: ``EtcdDiscovery``.
        folder: its package below lambdas/, ``etcd_discovery``.
        purpose: one sentence.
        rights: what it may do beside writing its log.
        environment: exactly the variables its settings read.
        timeout: seconds.
        memory: MB; processing power comes in proportion.
        vpc: where it runs; None: outside of every VPC.
    """

    logical_id: str
    folder: str
    purpose: str
    rights: Sequence[Statement]
    environment: Mapping[str, object]
    timeout: int = 60
    memory: int = 256
    vpc: Inside | None = None


def add_function(template: Template, config: Config, inputs: Inputs, storage: Storage, function: Function) -> GetAtt:
    """Add the function with role and log group; return its ARN."""
    name = function.logical_id
    title = function.folder.replace("_", "-")
    sha256 = add_sha256(template, f"{name}Sha256", f"the function {title}")
    log = add_log_group(template, config, inputs, storage, logical_id=f"{name}LogGroup", last=title)
    inside = _interface_rights() if function.vpc else []
    rights = PolicyDocument(Version="2012-10-17", Statement=[*function.rights, *inside, log.write])
    template.add_resource(
        iam.Role(
            f"{name}Role",
            Description=f"What {title} of {config.name} may do",
            AssumeRolePolicyDocument=assumed_by(LAMBDA_SERVICE),
            Policies=[iam.Policy(PolicyName=title, PolicyDocument=rights)],
        )
    )
    template.add_resource(
        awslambda.Function(
            name,
            Description=function.purpose,
            Runtime=_RUNTIME,
            Architectures=["arm64"],
            Handler=f"{function.folder}.handler.handle",
            Code=awslambda.Code(
                S3Bucket=inputs.artifact_bucket,
                S3Key=Sub(f"{config.name}/lambdas/{function.folder}-${{Sha256}}.zip", Sha256=sha256),
            ),
            Role=GetAtt(f"{name}Role", "Arn"),
            Environment=awslambda.Environment(Variables=dict(function.environment)),
            LoggingConfig=awslambda.LoggingConfig(LogGroup=log.name),
            MemorySize=function.memory,
            Timeout=function.timeout,
            **_placed(function.vpc),
        )
    )
    return GetAtt(name, "Arn")


def _placed(vpc: Inside | None) -> dict[str, object]:
    if vpc is None:
        return {}
    where = awslambda.VPCConfig(SubnetIds=list(vpc.subnets), SecurityGroupIds=[vpc.security_group])
    return {"VpcConfig": where, "DependsOn": list(vpc.ready)}


def _interface_rights() -> list[Statement]:
    """Return what Lambda does in the role's name for a function in the VPC; the function's own code may do none of it.

    Source: AWS managed policy reference, AWSLambdaVPCAccessExecutionRole; Lambda Developer Guide, "Giving Lambda functions
    access to resources in an Amazon VPC" (DeleteNetworkInterface needs all IDs: ``arn:…:*/*``; Describe… knows no
    resources) and "Using source function ARN to control function access behavior" (calls of the code carry the key).
    """
    not_the_code = Condition(Null({"lambda:SourceFunctionArn": "true"}))
    change = (
        "CreateNetworkInterface",
        "DeleteNetworkInterface",
        "AssignPrivateIpAddresses",
        "UnassignPrivateIpAddresses",
    )
    look = ("DescribeNetworkInterfaces", "DescribeSubnets")
    return [
        Statement(
            Sid=sid,
            Effect=Allow,
            Action=[may_ec2.Action(name) for name in names],
            Resource=[resource],
            Condition=not_the_code,
        )
        for sid, names, resource in (("Interfaces", change, Sub(_ANY_EC2)), ("SeeInterfaces", look, "*"))
    ]
