"""Who may talk to whom: a security group for each kind of party and one table of rules between them."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import GetAtt, Ref, Sub, Template, ec2

from kubecfn.config import Config
from kubecfn.template.network import Network
from kubecfn.template.parameters import API, CIDR_PATTERN, add_parameter
from kubecfn.template.tags import owned

API_PORT = 6443
_KUBELET = 10250
_ALL = "-1"

_API = "ApiSecurityGroup"
_CONTROLLERS = "ControllerSecurityGroup"
_WORKERS = "WorkerSecurityGroup"
_FUNCTIONS = "EtcdFunctionsSecurityGroup"
_DRAINING = "WorkerFunctionSecurityGroup"
_GROUPS = {
    _API: ("Load balancer of the Kubernetes API", "api"),
    _CONTROLLERS: ("Controllers", "controllers"),
    _WORKERS: ("Workers of every pool", "workers"),
    _FUNCTIONS: ("Functions that ask etcd", "etcd-functions"),
    _DRAINING: ("Function that drains workers", "worker-function"),
}


@dataclass(frozen=True)
class Rule:
    """One line of the table: `name` is its logical id, ports are inclusive."""

    name: str
    to: str
    source: str
    protocol: str
    first_port: int
    last_port: int
    why: str


# Kubernetes: "Ports and Protocols"; 8472 is the overlay port of Cilium and flannel.
_AMONG_CONTROLLERS = (
    Rule("ApiFromControllers", _API, _CONTROLLERS, "tcp", API_PORT, API_PORT, "Controllers reach the API by its name."),
    Rule("ControllersFromApi", _CONTROLLERS, _API, "tcp", API_PORT, API_PORT, "The load balancer forwards and checks."),
    Rule(
        "ApiServersFromControllers", _CONTROLLERS, _CONTROLLERS, "tcp", API_PORT, API_PORT, "Pods reach any API server."
    ),
    Rule("EtcdFromControllers", _CONTROLLERS, _CONTROLLERS, "tcp", 2379, 2380, "etcd members talk to each other."),
    Rule("EtcdFromFunctions", _CONTROLLERS, _FUNCTIONS, "tcp", 2379, 2379, "Functions ask and change etcd's members."),
    Rule(
        "KubeletFromControllers", _CONTROLLERS, _CONTROLLERS, "tcp", _KUBELET, _KUBELET, "API servers reach kubelets."
    ),
    Rule("OverlayFromControllers", _CONTROLLERS, _CONTROLLERS, "udp", 8472, 8472, "Pod network (VXLAN)."),
)
_WITH_WORKERS = (
    Rule("ApiFromWorkers", _API, _WORKERS, "tcp", API_PORT, API_PORT, "Workers reach the API by its name."),
    Rule("ApiServersFromWorkers", _CONTROLLERS, _WORKERS, "tcp", API_PORT, API_PORT, "Pods reach any API server."),
    Rule(
        "KubeletFromWorkers", _CONTROLLERS, _WORKERS, "tcp", _KUBELET, _KUBELET, "Metrics are read from every kubelet."
    ),
    Rule("OverlayFromWorkers", _CONTROLLERS, _WORKERS, "udp", 8472, 8472, "Pod network (VXLAN)."),
    Rule("WorkersFromControllers", _WORKERS, _CONTROLLERS, _ALL, -1, -1, "Kubelets, webhooks and pods on workers."),
    Rule("WorkersFromWorkers", _WORKERS, _WORKERS, _ALL, -1, -1, "Pods reach pods."),
)
_DRAINS_WORKERS = (
    Rule("ApiFromFunction", _API, _DRAINING, "tcp", API_PORT, API_PORT, "Workers are drained through the API."),
)


@dataclass(frozen=True)
class SecurityGroups:
    """The groups, and what must be open before a node boots.

    Attributes:
        api: the load balancer's.
        controllers: the controllers'.
        workers: the workers'; None without pools.
        functions: that of the functions that reach etcd.
        controller_rules: logical ids of the rules among controllers, the load balancer and functions.
        worker_rules: logical ids of the rules from and to workers.
        function_rules: logical ids of the rules from functions.
        draining: that of the function that drains workers; None without pools.
        draining_rules: logical ids of the rules from it.
    """

    api: GetAtt
    controllers: GetAtt
    workers: GetAtt | None
    functions: GetAtt
    controller_rules: tuple[str, ...]
    worker_rules: tuple[str, ...]
    function_rules: tuple[str, ...]
    draining: GetAtt | None
    draining_rules: tuple[str, ...]


def add_security_groups(template: Template, config: Config, network: Network) -> SecurityGroups:
    """Add the groups first and the rules between them after, since they name each other."""
    names = (_API, _CONTROLLERS, *((_WORKERS, _DRAINING) if config.pools else ()), _FUNCTIONS)
    for name in names:
        _add_group(template, config, network, name)
    _add_outside_rules(template, config, network)
    among = [_add_rule(template, rule) for rule in _AMONG_CONTROLLERS]
    workers = [_add_rule(template, rule) for rule in _WITH_WORKERS if config.pools]
    draining = [_add_rule(template, rule) for rule in _DRAINS_WORKERS if config.pools]
    return SecurityGroups(
        api=GetAtt(_API, "GroupId"),
        controllers=GetAtt(_CONTROLLERS, "GroupId"),
        workers=GetAtt(_WORKERS, "GroupId") if config.pools else None,
        functions=GetAtt(_FUNCTIONS, "GroupId"),
        controller_rules=tuple(among),
        worker_rules=tuple(workers),
        function_rules=tuple(rule.name for rule in _AMONG_CONTROLLERS if rule.source == _FUNCTIONS),
        draining=GetAtt(_DRAINING, "GroupId") if config.pools else None,
        draining_rules=tuple(draining),
    )


def _add_group(template: Template, config: Config, network: Network, name: str) -> None:
    what, short = _GROUPS[name]
    template.add_resource(
        ec2.SecurityGroup(
            name,
            GroupDescription=f"{what} of {config.name}",
            VpcId=network.vpc_id,
            Tags=owned(config, short),
        )
    )


def _add_rule(template: Template, rule: Rule) -> str:
    ports = {} if rule.protocol == _ALL else {"FromPort": rule.first_port, "ToPort": rule.last_port}
    template.add_resource(
        ec2.SecurityGroupIngress(
            rule.name,
            GroupId=GetAtt(rule.to, "GroupId"),
            SourceSecurityGroupId=GetAtt(rule.source, "GroupId"),
            IpProtocol=rule.protocol,
            Description=rule.why,
            **ports,
        )
    )
    return rule.name


def _add_outside_rules(template: Template, config: Config, network: Network) -> None:
    """Open the API to the allowed networks, and to the nodes' own public addresses when it is internet-facing."""
    if config.api.allowed_cidrs is None and network.cidr is not None:
        _add_outside_rule(template, "ApiFromVpc", network.cidr, "The VPC's own network.")
    for position, cidr in enumerate(config.api.allowed_cidrs or (), 1):
        allowed = add_parameter(
            template,
            f"ApiAllowedCidr{position}",
            group=API,
            label=f"Allowed network {position}",
            description="IPv4 network that may reach the Kubernetes API.",
            default=cidr,
            AllowedPattern=CIDR_PATTERN,
            ConstraintDescription="an IPv4 network such as 10.0.0.0/8.",
        )
        _add_outside_rule(template, f"ApiFromCidr{position}", allowed, "An allowed network.")
    if config.api.exposure == "internet-facing":
        for position, address in enumerate(network.nat_addresses, 1):
            cidr = Sub("${Address}/32", Address=address)
            _add_outside_rule(template, f"ApiFromNat{position}", cidr, "Nodes come to a public API from here.")


def _add_outside_rule(template: Template, name: str, cidr: Ref | Sub, why: str) -> None:
    template.add_resource(
        ec2.SecurityGroupIngress(
            name,
            GroupId=GetAtt(_API, "GroupId"),
            CidrIp=cidr,
            IpProtocol="tcp",
            FromPort=API_PORT,
            ToPort=API_PORT,
            Description=why,
        )
    )
