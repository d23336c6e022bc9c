"""The stack's few functions: each with a role of exactly its calls, its own log, and what invokes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from awacs.aws import PolicyDocument, Statement
from troposphere import GetAtt, Sub, Template, awslambda, iam

from kubecfn.config import Config
from kubecfn.template.logs import add_log_group
from kubecfn.template.node_role import assumed_by
from kubecfn.template.parameters import Inputs, add_sha256
from kubecfn.template.storage import Storage

# The same in every partition: with China's suffix Lambda answers "principal was invalid" (mapbox/cloudfriend#37, #56).
LAMBDA_SERVICE = "lambda.amazonaws.com"
_RUNTIME = "python3.14"
_MEMORY = 256
_TIMEOUT = 60


@dataclass(frozen=True)
class Function:
    """One function of ours.

    Attributes:
        logical_id: ``EtcdDiscovery``.
        folder: its package below lambdas/, ``etcd_discovery``.
        purpose: one sentence.
        rights: what it may do beside writing its log.
        environment: exactly the variables its settings read.
    """

    logical_id: str
    folder: str
    purpose: str
    rights: Sequence[Statement]
    environment: Mapping[str, object]


def add_function(template: Template, config: Config, inputs: Inputs, storage: Storage, function: Function) -> GetAtt:
    """Add the function with role and log group; return its ARN."""
    name = function.logical_id
    title = function.folder.replace("_", "-")
    sha256 = add_sha256(template, f"{name}Sha256", f"the function {title}")
    log = add_log_group(template, config, inputs, storage, logical_id=f"{name}LogGroup", last=title)
    rights = PolicyDocument(Version="2012-10-17", Statement=[*function.rights, log.write])
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
            MemorySize=_MEMORY,
            Timeout=_TIMEOUT,
        )
    )
    return GetAtt(name, "Arn")
