"""What a change lets someone do that they could not do before: IAM statements and network rules, old against new.

Nothing here talks to AWS. A grant is *wider* when no old grant covers it. Source: IAM User Guide, "IAM JSON policy elements
reference"; VPC User Guide, "Security group rules".
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from kubecfn.deploy.explain.values import as_bool, as_int

_ALL_PORTS = (0, 65535)
# ${Zone} and ${Zone.Id} read as Zone; ${AWS::Region} stays.
_RESOURCE = re.compile(r"\$\{(\w+)(?:\.\w+)?\}")


@dataclass(frozen=True)
class Grant:
    """One thing a policy allows (or, with `effect` Deny, forbids)."""

    effect: str
    principal: str
    action: str
    resource: str
    condition: str

    def covers(self, other: Grant) -> bool:
        """Return whether whoever has this already has `other`."""
        return (
            self.effect == other.effect
            and _matches(self.principal, other.principal)
            and _matches(self.action.lower(), other.action.lower())
            and _matches(self.resource, other.resource)
            and self.condition in ("", other.condition)
        )

    def __str__(self) -> str:
        who = "" if self.principal == "-" else f"{self.principal} "
        condition = f" when {self.condition}" if self.condition else ""
        return f"{who}{self.action} on {self.resource}{condition}"


@dataclass(frozen=True)
class Rule:
    """One thing a security group lets through: `peer` is a network, a prefix list or another group."""

    direction: str
    protocol: str
    ports: tuple[int, int]
    peer: str

    def covers(self, other: Rule) -> bool:
        """Return whether this already lets through what `other` does."""
        return (
            self.direction == other.direction
            and self.protocol in ("-1", other.protocol)
            and self.ports[0] <= other.ports[0]
            and self.ports[1] >= other.ports[1]
            and _network_covers(self.peer, other.peer)
        )

    def __str__(self) -> str:
        low, high = self.ports
        every = self.ports == _ALL_PORTS
        ports = "every port" if every else (f"port {low}" if low == high else f"ports {low}-{high}")
        protocol = "every protocol" if self.protocol == "-1" else self.protocol
        return f"{self.direction} {self.peer}, {protocol}, {ports}"


def wider_rights(resource_type: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return, in words, what the new properties allow and the old ones did not.

    Args:
        resource_type: e.g. ``AWS::IAM::Role``; a type that grants nothing gives an empty list.
        old: resolved properties in force; empty for a new resource.
        new: resolved properties to come; empty for one that goes.
    """
    found = [*_wider_policies(resource_type, old, new), *_wider_network(resource_type, old, new)]
    if resource_type == "AWS::S3::Bucket":
        found += _weaker_block(old.get("PublicAccessBlockConfiguration"), new.get("PublicAccessBlockConfiguration"))
    if resource_type == "AWS::ElasticLoadBalancingV2::LoadBalancer":
        was, becomes = old.get("Scheme", "internet-facing" if old else ""), new.get("Scheme", "internet-facing")
        if old and becomes == "internet-facing" != was:
            found.append("the whole internet reaches the load balancer")
    if resource_type == "AWS::Lambda::Permission" and new and old != new:
        found.append(f"{new.get('Principal')} {new.get('Action')} on {new.get('FunctionName')}")
    return found


def grants(document: Any) -> Iterator[Grant]:
    """Yield every grant of a policy document; one for each principal, action and resource."""
    statements = document.get("Statement", []) if isinstance(document, Mapping) else []
    for statement in _listed(statements):
        if not isinstance(statement, Mapping):
            continue
        condition = json.dumps(statement["Condition"], sort_keys=True) if statement.get("Condition") else ""
        for principal in _principals(statement):
            for action in _elements(statement, "Action"):
                for resource in _elements(statement, "Resource"):
                    yield Grant(str(statement.get("Effect")), principal, action, resource, condition)


def rules(resource_type: str, properties: Mapping[str, Any]) -> Iterator[Rule]:
    """Yield every rule of a security group, or the one of a separate rule resource."""
    if resource_type == "AWS::EC2::SecurityGroup":
        for entry in _listed(properties.get("SecurityGroupIngress")):
            yield _rule("in from", entry)
        for entry in _listed(properties.get("SecurityGroupEgress")):
            yield _rule("out to", entry)
    elif resource_type == "AWS::EC2::SecurityGroupIngress" and properties:
        yield _rule(f"into {properties.get('GroupId', '')} from", properties)
    elif resource_type == "AWS::EC2::SecurityGroupEgress" and properties:
        yield _rule(f"out of {properties.get('GroupId', '')} to", properties)


def _wider_policies(resource_type: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = list(_all_grants(resource_type, old)), list(_all_grants(resource_type, new))
    for grant in after:
        if grant.effect == "Allow" and not any(known.covers(grant) for known in before):
            yield str(grant)
    for grant in before:
        if grant.effect == "Deny" and new and not any(known.covers(grant) for known in after):
            yield f"no longer forbidden: {grant}"
    if resource_type in {"AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"}:
        known_arns = {str(arn) for arn in _listed(old.get("ManagedPolicyArns"))}
        yield from (
            f"everything in {arn}" for arn in _listed(new.get("ManagedPolicyArns")) if str(arn) not in known_arns
        )


def _all_grants(resource_type: str, properties: Mapping[str, Any]) -> Iterator[Grant]:
    if resource_type.startswith("AWS::IAM::"):
        for policy in _listed(properties.get("Policies")):
            yield from grants(policy.get("PolicyDocument"))
    for name in ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy"):
        yield from grants(properties.get(name))


def _wider_network(resource_type: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before = list(rules(resource_type, old))
    yield from (str(rule) for rule in rules(resource_type, new) if not any(known.covers(rule) for known in before))


def _weaker_block(old: Any, new: Any) -> list[str]:
    before, after = (value if isinstance(value, Mapping) else {} for value in (old, new))
    return [f"{name} is switched off" for name in before if as_bool(before[name]) and not as_bool(after.get(name))]


def _rule(direction: str, entry: Mapping[str, Any]) -> Rule:
    peers = ("CidrIp", "CidrIpv6", "SourceSecurityGroupId", "DestinationSecurityGroupId", "SourcePrefixListId")
    more = ("DestinationPrefixListId", "SourceSecurityGroupName")
    peer = next((str(entry[name]) for name in (*peers, *more) if entry.get(name)), "itself")
    protocol = str(entry.get("IpProtocol", "-1"))
    low, high = as_int(entry.get("FromPort"), 0), as_int(entry.get("ToPort"), _ALL_PORTS[1])
    every = protocol == "-1" or low == -1
    return Rule(direction, protocol, _ALL_PORTS if every else (low, high), peer)


def _principals(statement: Mapping[str, Any]) -> list[str]:
    if "NotPrincipal" in statement:
        return [f"everyone but {json.dumps(statement['NotPrincipal'], sort_keys=True)}"]
    principal = statement.get("Principal", "-")
    if isinstance(principal, Mapping):
        return [str(item) for value in principal.values() for item in _listed(value)]
    return [str(principal)]


def _elements(statement: Mapping[str, Any], name: str) -> list[str]:
    if f"Not{name}" in statement:
        return [f"everything but {', '.join(map(str, _listed(statement[f'Not{name}'])))}"]
    return [str(item) for item in _listed(statement.get(name))] or ["-"]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _matches(pattern: str, text: str) -> bool:
    # In IAM only * and ? are wild; fnmatch's brackets are not.
    return pattern == text or fnmatchcase(text, pattern.replace("[", "[[]"))


def _network_covers(wide: str, narrow: str) -> bool:
    if wide == narrow:
        return True
    try:
        outer, inner = ipaddress.ip_network(wide), ipaddress.ip_network(narrow)
    except ValueError:
        return False
    if isinstance(outer, ipaddress.IPv4Network) and isinstance(inner, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, ipaddress.IPv6Network) and isinstance(inner, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def rights_in_words(found: Iterable[str]) -> str:
    """Return the first few rights as one clause and how many more there are."""
    listed = list(dict.fromkeys(_RESOURCE.sub(r"\1", right) for right in found))
    shown = "; ".join(listed[:3])
    return shown if len(listed) <= 3 else f"{shown}; and {len(listed) - 3} more"  # noqa: PLR2004  three read well
