"""Load balancers, target groups and listeners."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any

from kubecfn.local.providers.resource import Aws, Resource, changed, pick, refusal
from kubecfn.local.providers.seam import Properties


def settle_attributes(aws: Aws, arn: str, kind: str, old: Properties, new: Properties) -> None:
    """Send the attributes (``deregistration_delay.timeout_seconds`` …) that differ; one left out stays as it is."""
    name = f"{kind}Attributes"
    before, after = ({item["Key"]: item["Value"] for item in properties.get(name, ())} for properties in (old, new))
    if different := [{"Key": key, "Value": value} for key, value in after.items() if changed(before, after, key)]:
        aws.call("elbv2", f"Modify{kind}Attributes", **{f"{kind}Arn": arn}, Attributes=different)


def settle_tags(aws: Aws, arn: str, old: Properties, new: Properties) -> None:
    """Bring the tags from those of `old` to those of `new`."""
    aws.retag("elbv2", {"ResourceArns": [arn]}, old, new, ("AddTags", "RemoveTags"))


class LoadBalancer(Resource):
    """A load balancer; subnets, security groups, attributes and tags change in place."""

    type = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    fixed = ("Name", "Scheme", "Type")
    accepts = (
        *fixed, "IpAddressType", "LoadBalancerAttributes", "SecurityGroups", "SubnetMappings", "Subnets", "Tags",
    )  # fmt: skip
    gives = ("CanonicalHostedZoneID", "DNSName", "LoadBalancerArn", "LoadBalancerFullName", "LoadBalancerName")
    deletes = ("elbv2", "DeleteLoadBalancer", "LoadBalancerArn")

    def make(self, aws: Aws, properties: Properties) -> str:
        name = properties.get("Name") or aws.name(8, 6)
        given = pick(properties, "IpAddressType", "Scheme", "SecurityGroups", "SubnetMappings", "Subnets", "Type")
        return str(aws.call("elbv2", "CreateLoadBalancer", Name=name, **given)["LoadBalancers"][0]["LoadBalancerArn"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        me = {"LoadBalancerArn": physical_id}
        if old and changed(old, new, "SecurityGroups"):
            if new.get("Type") == "network" and not old.get("SecurityGroups"):
                # "Network Load Balancers: security groups": none at creation means none ever.
                message = "You cannot set security groups on a Network Load Balancer that was created without any."
                raise refusal("SetSecurityGroups", "InvalidConfigurationRequest", message)
            aws.call("elbv2", "SetSecurityGroups", **me, SecurityGroups=new.get("SecurityGroups", []))
        if old and changed(old, new, "Subnets", "SubnetMappings"):
            aws.call("elbv2", "SetSubnets", **me, **pick(new, "Subnets", "SubnetMappings"))
        if old and changed(old, new, "IpAddressType"):
            aws.call("elbv2", "SetIpAddressType", **me, IpAddressType=new.get("IpAddressType", "ipv4"))
        settle_attributes(aws, physical_id, "LoadBalancer", old, new)
        settle_tags(aws, physical_id, old, new)
        aws.until(lambda: self._look(aws, physical_id)["State"]["Code"] == "active", 1800, "Load balancer")

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        found = self._look(aws, physical_id)
        return {
            "CanonicalHostedZoneID": found["CanonicalHostedZoneId"],
            "DNSName": found["DNSName"],
            "LoadBalancerArn": physical_id,
            "LoadBalancerFullName": physical_id.partition(":loadbalancer/")[2],
            "LoadBalancerName": found["LoadBalancerName"],
        }

    def _look(self, aws: Aws, arn: str) -> dict[str, Any]:
        return dict(aws.call("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[arn])["LoadBalancers"][0])


class TargetGroup(Resource):
    """A target group without fixed targets; health check, attributes and tags change in place."""

    type = "AWS::ElasticLoadBalancingV2::TargetGroup"
    fixed = ("IpAddressType", "Name", "Port", "Protocol", "ProtocolVersion", "TargetType", "VpcId")
    _health = (
        "HealthCheckEnabled", "HealthCheckIntervalSeconds", "HealthCheckPath", "HealthCheckPort",
        "HealthCheckProtocol", "HealthCheckTimeoutSeconds", "HealthyThresholdCount", "Matcher",
        "UnhealthyThresholdCount",
    )  # fmt: skip
    accepts = (*fixed, *_health, "Tags", "TargetGroupAttributes")
    gives = ("LoadBalancerArns", "TargetGroupArn", "TargetGroupFullName", "TargetGroupName")
    deletes = ("elbv2", "DeleteTargetGroup", "TargetGroupArn")

    def make(self, aws: Aws, properties: Properties) -> str:
        given = {"Name": aws.name(8, 6), **pick(properties, *self.fixed, *self._health)}
        return str(aws.call("elbv2", "CreateTargetGroup", **given)["TargetGroups"][0]["TargetGroupArn"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self._health):
            aws.call("elbv2", "ModifyTargetGroup", TargetGroupArn=physical_id, **pick(new, *self._health))
        settle_attributes(aws, physical_id, "TargetGroup", old, new)
        settle_tags(aws, physical_id, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        found = aws.call("elbv2", "DescribeTargetGroups", TargetGroupArns=[physical_id])["TargetGroups"][0]
        return {
            "LoadBalancerArns": found.get("LoadBalancerArns", []),
            "TargetGroupArn": physical_id,
            "TargetGroupFullName": physical_id.rpartition(":")[2],
            "TargetGroupName": found["TargetGroupName"],
        }


class Listener(Resource):
    """A listener; everything but its load balancer changes in place."""

    type = "AWS::ElasticLoadBalancingV2::Listener"
    fixed = ("LoadBalancerArn",)
    _settings = ("AlpnPolicy", "Certificates", "DefaultActions", "Port", "Protocol", "SslPolicy")
    accepts = (*fixed, *_settings, "ListenerAttributes", "Tags")
    gives = ("ListenerArn",)
    deletes = ("elbv2", "DeleteListener", "ListenerArn")

    def make(self, aws: Aws, properties: Properties) -> str:
        given = pick(properties, *self.fixed, *self._settings)
        return str(aws.call("elbv2", "CreateListener", **given)["Listeners"][0]["ListenerArn"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self._settings):
            aws.call("elbv2", "ModifyListener", ListenerArn=physical_id, **pick(new, *self._settings))
        settle_attributes(aws, physical_id, "Listener", old, new)
        settle_tags(aws, physical_id, old, new)
