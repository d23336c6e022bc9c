"""How an instance starts: image, disk, metadata rules, and user data that fetches one bundle and starts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from troposphere import Base64, GetAtt, Ref, Sub, Tags, Template, autoscaling, ec2

from kubecfn.config import Config, Volume
from kubecfn.node.bootstrap import pool_text, user_data_template
from kubecfn.template.logs import LogGroup
from kubecfn.template.parameters import KEY_ARN_PATTERN, VERSIONS, Inputs, add_parameter
from kubecfn.template.tags import CLUSTER_TAG, ROLE_TAG, owned, role

_ROOT_DEVICE = "/dev/xvda"


@dataclass(frozen=True)
class Node:
    """What a kind of node needs to start.

    Attributes:
        role: ``controller`` or ``worker``.
        profile_arn: instance profile.
        security_group: its security group's ID.
        log: the nodes' log group.
        inputs: versions, images, artifacts.
        volume_keys: parameters of customer-managed keys by the key's ARN.
        tags: by which an instance finds what no bundle could name.
        pool: its name; empty for controllers.
        labels: of its Kubernetes node.
        taints: of its Kubernetes node: key, value and effect of each.
    """

    role: Literal["controller", "worker"]
    profile_arn: GetAtt
    security_group: GetAtt
    log: LogGroup
    inputs: Inputs
    volume_keys: Mapping[str, Ref]
    tags: Mapping[str, Ref | GetAtt] = field(default_factory=dict)
    pool: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True)
class Machine:
    """What a node runs on."""

    architecture: str
    instance_type: Ref | str
    volume: ec2.EBSBlockDevice
    tenancy: str


def add_launch_template(
    template: Template, config: Config, node: Node, group: str, machine: Machine
) -> autoscaling.LaunchTemplateSpecification:
    """Add ``GROUPLaunchTemplate`` and return the reference that makes the group roll on every change of it."""
    placement = {} if machine.tenancy == "default" else {"Placement": ec2.Placement(Tenancy=machine.tenancy)}
    launch = template.add_resource(
        ec2.LaunchTemplate(
            f"{group}LaunchTemplate",
            LaunchTemplateData=ec2.LaunchTemplateData(
                ImageId=node.inputs.images[machine.architecture],
                InstanceType=machine.instance_type,
                IamInstanceProfile=ec2.IamInstanceProfile(Arn=node.profile_arn),
                SecurityGroupIds=[node.security_group],
                BlockDeviceMappings=[ec2.LaunchTemplateBlockDeviceMapping(DeviceName=_ROOT_DEVICE, Ebs=machine.volume)],
                # IMDSv2 only, and one hop: a pod's answer would need two.
                MetadataOptions=ec2.MetadataOptions(
                    HttpEndpoint="enabled", HttpTokens="required", HttpPutResponseHopLimit=1
                ),
                TagSpecifications=_tagged(config, node, group),
                UserData=_user_data(config, node, group),
                **placement,
            ),
            Metadata=role(f"How an instance of {group} starts."),
        )
    )
    return autoscaling.LaunchTemplateSpecification(
        LaunchTemplateId=Ref(launch), Version=GetAtt(launch, "LatestVersionNumber")
    )


def root_volume(volume: Volume, keys: Mapping[str, Ref], size: Ref | int | None = None) -> ec2.EBSBlockDevice:
    """Return an encrypted root disk of `volume`'s kind.

    Args:
        volume: what the configuration says.
        keys: the parameters of customer-managed keys (`add_volume_keys`).
        size: GiB, when it is a parameter.
    """
    chosen = {"Iops": volume.iops, "Throughput": volume.throughput, "KmsKeyId": keys.get(volume.kms_key or "")}
    given = {name: value for name, value in chosen.items() if value is not None}
    return ec2.EBSBlockDevice(
        VolumeType=volume.type, VolumeSize=size or volume.size, Encrypted=True, DeleteOnTermination=True, **given
    )


def add_volume_keys(template: Template, config: Config) -> dict[str, Ref]:
    """Add one parameter for each customer-managed key that volumes are encrypted with; return them by the key's ARN.

    Without one a volume is encrypted with the account's own EBS key, whose policy needs nothing.
    """
    given = [config.controllers.volume.kms_key, *(pool.volume.kms_key for pool in config.pools)]
    distinct = dict.fromkeys(key for key in given if key)
    return {
        key: add_parameter(
            template,
            f"VolumeKeyArn{number}" if number > 1 else "VolumeKeyArn",
            group=VERSIONS,
            label="Key of volumes",
            description="KMS key of the volumes. Its policy must let AWSServiceRoleForAutoScaling create grants.",
            default=key,
            AllowedPattern=KEY_ARN_PATTERN,
            ConstraintDescription="the ARN of a KMS key.",
        )
        for number, key in enumerate(distinct, 1)
    }


def _tagged(config: Config, node: Node, group: str) -> list[ec2.TagSpecifications]:
    """Tag instances with their versions (the group adds its own tags) and volumes with all that finds them.

    Another version is so another launch template: the change set shows it and the nodes roll.
    """
    versions: dict[str, object] = {"kubecfn:kubernetes": node.inputs.kubernetes_version}
    if node.role == "controller":
        versions["kubecfn:etcd"] = node.inputs.etcd_version
    versions |= node.tags
    volume = owned(config, group, {CLUSTER_TAG: config.name, ROLE_TAG: node.role})
    return [
        ec2.TagSpecifications(ResourceType="instance", Tags=Tags(versions)),
        ec2.TagSpecifications(ResourceType="volume", Tags=volume),
    ]


def _user_data(config: Config, node: Node, group: str) -> Base64:
    """Return the user data; what only this node knows is written in, the rest is parameters and ``NodeLogGroup``."""
    text = user_data_template(node.role).replace("${Group}", group).replace("${Cluster}", config.name)
    text = text.replace("${Pool}", pool_text(node.pool, node.labels, node.taints))
    return Base64(Sub(text))
