"""The Kubernetes API's one address: a network load balancer on 6443 and the name api.DOMAIN."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import GetAtt, Ref, Sub, Template, route53
from troposphere import elasticloadbalancingv2 as elb

from kubecfn.config import Config
from kubecfn.errors import WrongUseError
from kubecfn.template.dns import Zone
from kubecfn.template.network import Network
from kubecfn.template.security_groups import API_PORT, SecurityGroups
from kubecfn.template.tags import named, role

_DRAIN_SECONDS = 60
# As often as a network load balancer can look ("Health checks for Network Load Balancer target groups": 5 to 300 s), and no
# longer for one look than until the next: a dead controller gets no new connections after twice that, not after 20 s.
_CHECK_EVERY, _CHECK_SECONDS = 5, 4


@dataclass(frozen=True)
class Api:
    """What later parts may say about the API.

    Attributes:
        target_group: where controllers register.
        endpoint: ``https://api.DOMAIN:6443``.
        ready: logical ids after which the name leads to the load balancer.
    """

    target_group: Ref
    endpoint: Sub
    ready: tuple[str, ...]


def add_load_balancer(template: Template, config: Config, network: Network, zone: Zone, groups: SecurityGroups) -> Api:
    """Add load balancer, target group, listener and the alias record."""
    balancer = template.add_resource(_balancer(config, network, groups))
    targets = template.add_resource(_targets(network))
    template.add_resource(
        elb.Listener(
            "ApiListener",
            LoadBalancerArn=Ref(balancer),
            Port=API_PORT,
            Protocol="TCP",
            DefaultActions=[elb.Action(Type="forward", TargetGroupArn=Ref(targets))],
            Metadata=role("TLS ends in the API servers, not here."),
        )
    )
    template.add_resource(
        route53.RecordSetType(
            "ApiRecord",
            HostedZoneId=zone.id,
            Name=Sub("api.${Domain}"),
            Type="A",
            AliasTarget=route53.AliasTarget(
                DNSName=GetAtt(balancer, "DNSName"),
                HostedZoneId=GetAtt(balancer, "CanonicalHostedZoneID"),
                EvaluateTargetHealth=False,
            ),
            Metadata=role("The name in every kubeconfig."),
        )
    )
    return Api(
        target_group=Ref(targets),
        endpoint=Sub(f"https://api.${{Domain}}:{API_PORT}"),
        ready=("ApiListener", "ApiRecord"),
    )


def _balancer(config: Config, network: Network, groups: SecurityGroups) -> elb.LoadBalancer:
    internal = config.api.exposure == "internal"
    subnets = network.private_subnets if internal else network.public_subnets
    if not subnets:
        raise WrongUseError(
            "An internet-facing API has no public subnet to stand in.", remedy="Name network.vpc.public_subnets."
        )
    return elb.LoadBalancer(
        "ApiLoadBalancer",
        Type="network",
        Scheme="internal" if internal else "internet-facing",
        Subnets=list(subnets),
        **({} if internal or not network.public_ready else {"DependsOn": list(network.public_ready)}),
        # They can only be given at creation (Elastic Load Balancing: "Update the security groups for your NLB").
        SecurityGroups=[groups.api],
        LoadBalancerAttributes=[
            # A zone without a healthy controller would answer nothing through its own address.
            elb.LoadBalancerAttributes(Key="load_balancing.cross_zone.enabled", Value="true"),
        ],
        Tags=named("api"),
        Metadata=role("The Kubernetes API's address in every zone."),
    )


def _targets(network: Network) -> elb.TargetGroup:
    return elb.TargetGroup(
        "ApiTargetGroup",
        VpcId=network.vpc_id,
        TargetType="instance",
        Protocol="TCP",
        Port=API_PORT,
        HealthCheckProtocol="HTTPS",
        HealthCheckPath="/readyz",
        HealthCheckIntervalSeconds=_CHECK_EVERY,
        HealthCheckTimeoutSeconds=_CHECK_SECONDS,
        HealthyThresholdCount=2,
        UnhealthyThresholdCount=2,
        TargetGroupAttributes=[
            # A controller that calls the API by its name and is sent to itself would drop its own source address.
            elb.TargetGroupAttribute(Key="preserve_client_ip.enabled", Value="false"),
            elb.TargetGroupAttribute(Key="deregistration_delay.timeout_seconds", Value=f"{_DRAIN_SECONDS}"),
            # Watches live for hours: without this they would keep a leaving controller's connections open.
            elb.TargetGroupAttribute(Key="deregistration_delay.connection_termination.enabled", Value="true"),
        ],
        Tags=named("api"),
        Metadata=role("The controllers whose API server says it is ready."),
    )
