"""What a person may still change in the console: the stack's typed parameters, grouped and described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from troposphere import Parameter, Ref, Template

from kubecfn.config import Config, Found
from kubecfn.versions import choose

NETWORK = "Network"
NAMES = "Names (Route 53)"
API = "Kubernetes API"
CONTROLLERS = "Controllers"
POOLS = "Worker pools"
VERSIONS = "Versions and images"
LOGS = "Logs"
ARTIFACTS = "Artifacts (filled in by kubecfn upload)"

CIDR_PATTERN = r"(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}/(3[0-2]|[12]?\d)"
DOMAIN_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+"
INSTANCE_TYPE_PATTERN = r"[a-z][a-z0-9-]*\.[a-z0-9-]+"
KEY_ARN_PATTERN = r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:(key|alias)/[A-Za-z0-9/_-]+"
_SHA256_PATTERN = r"[0-9a-f]{64}"
_VERSION_PATTERN = r"\d+\.\d+\.\d+"
_BUCKET_PATTERN = r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
# CloudWatch Logs: PutRetentionPolicy, retentionInDays.
_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653)
_IMAGE_NAMES = {"x86_64": "ImageX86", "arm64": "ImageArm64"}


@dataclass(frozen=True)
class Inputs:
    """The parameters that more than one part uses.

    Attributes:
        kubernetes_version: full version.
        etcd_version: full version.
        images: architecture -> AMI ID.
        log_retention: days.
        artifact_bucket: name of the bucket with bundles and function zips.
        artifact_key_arn: ARN of the key they are encrypted with.
    """

    kubernetes_version: Ref
    etcd_version: Ref
    images: Mapping[str, Ref]
    log_retention: Ref
    artifact_bucket: Ref
    artifact_key_arn: Ref


def add_parameter(
    template: Template, name: str, *, group: str, label: str, description: str, default: object = None, **typed: object
) -> Ref:
    """Add one parameter, place it in the console's form, and return the reference to it.

    Args:
        template: the stack.
        name: logical id.
        group: heading in the console; headings appear in the order of their first parameter.
        label: what the console writes before the field.
        description: one or two sentences for whoever fills it in.
        default: None leaves the parameter without one, so that it has to be given.
        typed: further properties (Type, AllowedPattern, ConstraintDescription, MinValue …); Type is String when absent.
    """
    given = {} if default is None else {"Default": default}
    parameter = template.add_parameter(Parameter(name, Description=description, **{"Type": "String"} | typed | given))
    template.add_parameter_to_group(parameter, group)
    template.set_parameter_label(parameter, label)
    return Ref(parameter)


def add_sha256(template: Template, name: str, what: str) -> Ref:
    """Add the parameter that pins one artifact by the hash of its bytes, so that a changed one shows and rolls."""
    return add_parameter(
        template,
        name,
        group=ARTIFACTS,
        label=f"SHA-256 of {what}",
        description=f"SHA-256 of {what}.",
        AllowedPattern=_SHA256_PATTERN,
        ConstraintDescription="64 hexadecimal digits.",
    )


def add_inputs(template: Template, config: Config, found: Found) -> Inputs:
    """Add versions, images, log retention and the place of the artifacts."""
    versions = choose(config.kubernetes, config.etcd)
    return Inputs(
        kubernetes_version=_add_version(template, "KubernetesVersion", "Kubernetes", str(versions.kubernetes)),
        etcd_version=_add_version(template, "EtcdVersion", "etcd", str(versions.etcd)),
        images={
            architecture: _add_image(template, architecture, found.images.get(architecture))
            for architecture in config.architectures
        },
        log_retention=add_parameter(
            template,
            "LogRetentionDays",
            group=LOGS,
            label="Keep logs for (days)",
            description="How long CloudWatch Logs keeps what nodes and functions write.",
            Type="Number",
            default=config.log_retention_days,
            AllowedValues=list(_RETENTION_DAYS),
        ),
        artifact_bucket=_add_artifact_bucket(template, config.artifacts.bucket),
        artifact_key_arn=add_parameter(
            template,
            "ArtifactKeyArn",
            group=ARTIFACTS,
            label="Artifact key",
            description="ARN of the KMS key that encrypts the artifacts (output KeyArn of the stack kubecfn-artifacts).",
            default=config.artifacts.kms_key,
            AllowedPattern=KEY_ARN_PATTERN,
            ConstraintDescription="the ARN of a KMS key.",
        ),
    )


def _add_version(template: Template, name: str, program: str, version: str) -> Ref:
    return add_parameter(
        template,
        name,
        group=VERSIONS,
        label=f"{program} version",
        description=f"{program} release on the nodes; kubecfn makes the bundles for it.",
        default=version,
        AllowedPattern=_VERSION_PATTERN,
        ConstraintDescription="MAJOR.MINOR.PATCH without a v.",
    )


def _add_image(template: Template, architecture: str, ami: str | None) -> Ref:
    return add_parameter(
        template,
        _IMAGE_NAMES[architecture],
        group=VERSIONS,
        label=f"Image for {architecture} nodes",
        description=f"Pre-baked machine image with containerd, kubelet and etcd for {architecture}.",
        Type="AWS::EC2::Image::Id",
        default=ami,
    )


def _add_artifact_bucket(template: Template, bucket: str) -> Ref:
    return add_parameter(
        template,
        "ArtifactBucket",
        group=ARTIFACTS,
        label="Artifact bucket",
        description="Bucket with the node bundles and function zips (output Bucket of the stack kubecfn-artifacts).",
        default=None if bucket == "auto" else bucket,
        AllowedPattern=_BUCKET_PATTERN,
        ConstraintDescription="a bucket name without dots.",
    )
