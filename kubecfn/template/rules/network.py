"""Rules about names, load balancers and ways out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kubecfn.template.rules.rule import Broken, Rule
from kubecfn.template.rules.view import View, as_list

_BALANCER = "ElasticLoadBalancingV2::LoadBalancer"
_STATE = "etcd/"
_GATEWAYS = ("EC2::VPCGatewayAttachment",)


def _no_public_zone_in_govcloud(view: View) -> Broken:
    if view.region.startswith("us-gov-"):
        for name, properties in view.of_type("Route53::HostedZone"):
            if not properties.get("VPCs"):
                yield name, "is a public hosted zone, which GovCloud does not have"


def _network_balancers(view: View) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, properties in view.of_type(_BALANCER):
        if properties.get("Type") == "network":
            yield name, properties


def _attributes(pairs: object) -> Mapping[str, str]:
    return {pair["Key"]: str(pair["Value"]) for pair in as_list(pairs)}


def _cross_zone(view: View) -> Broken:
    for name, properties in _network_balancers(view):
        if _attributes(properties.get("LoadBalancerAttributes")).get("load_balancing.cross_zone.enabled") != "true":
            yield (
                name,
                "answers nothing in a zone without a healthy target: load_balancing.cross_zone.enabled is not true",
            )


def _security_groups_from_the_start(view: View) -> Broken:
    for name, properties in _network_balancers(view):
        if not properties.get("SecurityGroups"):
            yield name, "has no security group, and can never be given one later"


def _own_address(view: View) -> Broken:
    for name, properties in view.of_type("ElasticLoadBalancingV2::TargetGroup"):
        attributes = _attributes(properties.get("TargetGroupAttributes"))
        if properties.get("Protocol") == "TCP" and attributes.get("preserve_client_ip.enabled") != "false":
            yield name, "keeps client addresses, so a target cannot reach itself through its load balancer"


def _targets_speak(view: View) -> Broken:
    for name, properties in view.of_type("ElasticLoadBalancingV2::TargetGroup"):
        if (properties.get("HealthCheckProtocol"), properties.get("HealthCheckPath")) != ("HTTPS", "/readyz"):
            yield name, "takes an open port for a ready API server: check HTTPS /readyz"


def _gateway_first(view: View) -> Broken:
    attachments = {name for name, _ in view.of_type(*_GATEWAYS)}
    public = [(name, p) for name, p in view.of_type(_BALANCER) if p.get("Scheme") == "internet-facing"]
    for name, _ in [*public, *view.of_type("EC2::EIP", "EC2::NatGateway")]:
        if attachments and not attachments & view.needed_by(name):
            yield (
                name,
                "does not depend on the internet gateway's attachment: creation fails, or deletion of the gateway",
            )


def _kept(view: View) -> Broken:
    for name, _ in view.of_type("S3::Bucket", "KMS::Key"):
        resource = view.resources[name]
        deletion, replacement = resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")
        if deletion not in {"Retain", "RetainExceptOnCreate"} or replacement != "Retain":
            yield name, "would be deleted with its stack or by a replacement"


def _private_buckets(view: View) -> Broken:
    policies = {str(properties.get("Bucket")): properties for _, properties in view.of_type("S3::BucketPolicy")}
    for name, properties in view.of_type("S3::Bucket"):
        block = properties.get("PublicAccessBlockConfiguration", {})
        names = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        if not all(block.get(key) in {True, "true"} for key in names):
            yield name, "does not block public access"
        if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
            yield name, "keeps no versions"
        if "BucketEncryption" not in properties:
            yield name, "is not encrypted with a key of ours"
        if not _denies_plain_http(policies.get(str({"Ref": name}), {})):
            yield name, "can be read without TLS"


def _denies_plain_http(policy: Mapping[str, Any]) -> bool:
    return any(
        statement.get("Effect") == "Deny" and statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
        for statement in as_list(policy.get("PolicyDocument", {}).get("Statement"))
    )


def _expiry_has_a_prefix(view: View) -> Broken:
    for name, properties in view.of_type("S3::Bucket"):
        for rule in as_list(properties.get("LifecycleConfiguration", {}).get("Rules")):
            prefix = rule.get("Prefix") or ""
            if "ExpirationInDays" in rule and (_STATE.startswith(prefix) or prefix.startswith(_STATE)):
                yield (
                    name,
                    f"expires what lies below {_STATE}: the object that says which etcd cluster is the living one",
                )


RULES = (
    Rule(
        "K501",
        "GovCloud has no public hosted zones.",
        "GovCloud: Amazon Route 53, 'How Route 53 differs for AWS GovCloud (US)'",
        _no_public_zone_in_govcloud,
    ),
    Rule(
        "K502",
        "A network load balancer balances across zones.",
        "Elastic Load Balancing: Network Load Balancers, 'Cross-zone load balancing'",
        _cross_zone,
    ),
    Rule(
        "K503",
        "A network load balancer has its security groups from the start.",
        "Elastic Load Balancing: Update the security groups for your Network Load Balancer, 'Considerations'",
        _security_groups_from_the_start,
    ),
    Rule(
        "K504",
        "Targets see the load balancer's address, not the client's.",
        "Elastic Load Balancing: Target groups for your NLB, 'Client IP preservation' (hairpinning)",
        _own_address,
    ),
    Rule(
        "K505",
        "A target is healthy when its API server says so.",
        "Kubernetes: API health endpoints",
        _targets_speak,
    ),
    Rule(
        "K506",
        "Whatever has a public address depends on the gateway's attachment.",
        "CloudFormation: DependsOn attribute, 'VPC-gateway attachment'",
        _gateway_first,
    ),
    Rule(
        "K601",
        "Buckets and keys outlive their stack.",
        "CloudFormation: DeletionPolicy attribute; UpdateReplacePolicy attribute",
        _kept,
    ),
    Rule(
        "K602",
        "A bucket is private, versioned, encrypted and reached by TLS alone.",
        "S3: Security best practices for Amazon S3",
        _private_buckets,
    ),
    Rule(
        "K603",
        "What expires in a bucket has a prefix that is not that of etcd's state.",
        "kubernetes/kops#16416, etcd-manager#299 (an expired marker seeded an empty etcd over a living one)",
        _expiry_has_a_prefix,
    ),
)
