"""One small provider per resource type of CloudFormation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kubecfn.local.providers import (
    addresses,
    autoscaling,
    awslambda,
    ec2,
    elbv2,
    events,
    groups,
    iam,
    imagebuilder,
    kms,
    logs,
    messaging,
    monitoring,
    network,
    route53,
    s3,
)
from kubecfn.local.providers.seam import Provider, UnsupportedError

_TYPES = (
    network.Vpc, network.VpcCidrBlock, network.Subnet, network.InternetGateway, network.VpcGatewayAttachment,
    network.RouteTable, network.Route, network.SubnetRouteTableAssociation, network.DhcpOptions,
    network.VpcDhcpOptionsAssociation,
    addresses.Eip, addresses.NatGateway, addresses.VpcEndpoint, addresses.FlowLog,
    groups.SecurityGroup, groups.SecurityGroupIngress, groups.SecurityGroupEgress,
    iam.Role, iam.User, iam.Policy, iam.ManagedPolicy, iam.InstanceProfile, iam.ServiceLinkedRole,
    s3.Bucket, s3.BucketPolicy,
    awslambda.Function, awslambda.Permission, awslambda.EventInvokeConfig, awslambda.EventSourceMapping,
    logs.LogGroup, logs.MetricFilter,
    ec2.LaunchTemplate, ec2.Instance, ec2.Volume,
    autoscaling.AutoScalingGroup, autoscaling.LifecycleHook, autoscaling.ScheduledAction,
    elbv2.LoadBalancer, elbv2.TargetGroup, elbv2.Listener,
    route53.HostedZone, route53.RecordSet, route53.RecordSetGroup,
    kms.Key, kms.Alias,
    events.Rule, events.Schedule, events.ScheduleGroup,
    messaging.Topic, messaging.TopicPolicy, messaging.Subscription, messaging.Queue, messaging.QueuePolicy,
    monitoring.Alarm, monitoring.Parameter,
    imagebuilder.Component, imagebuilder.ImageRecipe, imagebuilder.InfrastructureConfiguration,
    imagebuilder.DistributionConfiguration, imagebuilder.ImagePipeline,
)  # fmt: skip

PROVIDERS: Mapping[str, Provider] = MappingProxyType({kind.type: kind() for kind in _TYPES})


def provider(resource_type: str) -> Provider:
    """Return the provider of a type such as ``AWS::EC2::VPC``.

    Raises:
        UnsupportedError: there is none; the types of the same service are named.
    """
    if found := PROVIDERS.get(resource_type):
        return found
    service = resource_type.rpartition("::")[0]
    near = sorted(name for name in PROVIDERS if name.rpartition("::")[0] == service) or sorted(PROVIDERS)
    raise UnsupportedError(f"resource type {resource_type} is not emulated; there are {', '.join(near)}")
