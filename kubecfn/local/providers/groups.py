"""Security groups and their rules, inline or as resources of their own."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

import json
from typing import Any, ClassVar

from kubecfn.local.providers.network import Ec2Resource, tag_ec2
from kubecfn.local.providers.resource import Aws, Resource, changed
from kubecfn.local.providers.seam import Properties
from kubecfn.local.providers.shapes import refuse_others

EVERYWHERE = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}

# A rule's properties -> where EC2's IpPermission holds them. A rule has exactly one of these peers.
_PEERS = {
    "CidrIp": ("IpRanges", "CidrIp"),
    "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
    "SourcePrefixListId": ("PrefixListIds", "PrefixListId"),
    "DestinationPrefixListId": ("PrefixListIds", "PrefixListId"),
    "SourceSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    "DestinationSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
}
_RULE = ("IpProtocol", "FromPort", "ToPort", "Description", "SourceSecurityGroupOwnerId")


def permission(rule: Properties, path: str) -> dict[str, Any]:
    """Return EC2's IpPermission for a rule as CloudFormation writes it.

    Raises:
        UnsupportedError: the rule has a property that is not emulated, or no peer.
    """
    refuse_others(rule, (*_PEERS, *_RULE), path)
    permitted: dict[str, Any] = {"IpProtocol": str(rule["IpProtocol"])}
    permitted |= {name: rule[name] for name in ("FromPort", "ToPort") if name in rule}
    for name, (place, key) in _PEERS.items():
        if name in rule:
            peer = {key: rule[name]}
            peer |= {"Description": rule["Description"]} if "Description" in rule else {}
            peer |= {"UserId": rule["SourceSecurityGroupOwnerId"]} if "SourceSecurityGroupOwnerId" in rule else {}
            permitted[place] = [peer]
    return permitted


class SecurityGroup(Ec2Resource):
    """A security group; rules and tags change in place, one rule at a time.

    Without SecurityGroupEgress everything may leave; with it only what it says ("AWS::EC2::SecurityGroup").
    """

    type = "AWS::EC2::SecurityGroup"
    fixed = ("GroupDescription", "GroupName", "VpcId")
    accepts = (*fixed, "SecurityGroupEgress", "SecurityGroupIngress", "Tags")
    gives = ("GroupId", "Id", "VpcId")
    deletes = ("ec2", "DeleteSecurityGroup", "GroupId")

    def make(self, aws: Aws, properties: Properties) -> str:
        answer = aws.call(
            "ec2",
            "CreateSecurityGroup",
            GroupName=properties.get("GroupName") or aws.name(),
            Description=properties.get("GroupDescription"),
            VpcId=properties.get("VpcId"),
        )
        return str(answer["GroupId"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        for direction, default in (("Ingress", []), ("Egress", [EVERYWHERE])):
            name = f"SecurityGroup{direction}"
            before, after = (
                {json.dumps(permission(rule, f"{self.type}.{name}"), sort_keys=True) for rule in rules}
                for rules in (old.get(name) or default, new.get(name) or default)
            )
            for verb, rules in (("Revoke", before - after), ("Authorize", after - before)):
                if permissions := [json.loads(rule) for rule in sorted(rules)]:
                    aws.call("ec2", f"{verb}SecurityGroup{direction}", GroupId=physical_id, IpPermissions=permissions)
        tag_ec2(aws, physical_id, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        group = aws.call("ec2", "DescribeSecurityGroups", GroupIds=[physical_id])["SecurityGroups"][0]
        return {"GroupId": physical_id, "Id": physical_id, "VpcId": group.get("VpcId", "")}


class _Rule(Resource):
    """One rule of a group; only its description changes in place."""

    direction: ClassVar[str]
    gives = ("Id",)

    def make(self, aws: Aws, properties: Properties) -> str:
        answer = self._do(aws, "AuthorizeSecurityGroup", properties)
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, "Description"):
            # UpdateSecurityGroupRuleDescriptions of the back end does not find rules whose peer is a group.
            self.remove(aws, physical_id, old)
            self.make(aws, new)

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        self._do(aws, "RevokeSecurityGroup", properties)

    def _do(self, aws: Aws, verb: str, properties: Properties) -> dict[str, Any]:
        rule = {name: value for name, value in properties.items() if name != "GroupId"}
        permissions = [permission(rule, self.type)]
        return aws.call("ec2", verb + self.direction, GroupId=properties["GroupId"], IpPermissions=permissions)


class SecurityGroupIngress(_Rule):
    """One rule for what may come in, beside those the group has."""

    type = "AWS::EC2::SecurityGroupIngress"
    direction = "Ingress"
    fixed = (
        "CidrIp", "CidrIpv6", "FromPort", "GroupId", "IpProtocol", "SourcePrefixListId", "SourceSecurityGroupId",
        "SourceSecurityGroupOwnerId", "ToPort",
    )  # fmt: skip
    accepts = (*fixed, "Description")


class SecurityGroupEgress(_Rule):
    """One rule for what may go out, beside those the group has."""

    type = "AWS::EC2::SecurityGroupEgress"
    direction = "Egress"
    fixed = (
        "CidrIp", "CidrIpv6", "DestinationPrefixListId", "DestinationSecurityGroupId", "FromPort", "GroupId",
        "IpProtocol", "ToPort",
    )  # fmt: skip
    accepts = (*fixed, "Description")
