"""Hosted zones and their records."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any

from kubecfn.local.providers.resource import Aws, Resource, changed, pick, random_part, refusal
from kubecfn.local.providers.seam import Context, Made, Properties
from kubecfn.local.providers.shapes import refuse_others

_RECORD = (
    "AliasTarget", "Failover", "GeoLocation", "HealthCheckId", "MultiValueAnswer", "Name", "Region",
    "ResourceRecords", "SetIdentifier", "TTL", "Type", "Weight",
)  # fmt: skip


class HostedZone(Resource):
    """A zone, private when it has VPCs. One with records of others in it cannot be deleted (HostedZoneNotEmpty)."""

    type = "AWS::Route53::HostedZone"
    fixed = ("Name",)
    accepts = (*fixed, "HostedZoneConfig", "HostedZoneTags", "VPCs")
    gives = ("Id", "NameServers")
    deletes = ("route53", "DeleteHostedZone", "Id")

    def make(self, aws: Aws, properties: Properties) -> str:
        refuse_others(properties.get("HostedZoneConfig", {}), ("Comment",), f"{self.type}.HostedZoneConfig")
        vpcs = properties.get("VPCs") or [None]
        answer = aws.call(
            "route53",
            "CreateHostedZone",
            Name=properties.get("Name"),
            CallerReference=random_part(20),
            HostedZoneConfig={**properties.get("HostedZoneConfig", {}), "PrivateZone": vpcs != [None]},
            VPC=vpcs[0],
        )
        return str(answer["HostedZone"]["Id"]).removeprefix("/hostedzone/")

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, "HostedZoneConfig"):
            comment = new.get("HostedZoneConfig", {}).get("Comment", "")
            aws.call("route53", "UpdateHostedZoneComment", Id=physical_id, Comment=comment)
        # The first VPC came with the zone itself. What is new comes before what goes: a private zone keeps one always.
        before = old.get("VPCs", ()) if old else new.get("VPCs", ())[:1]
        after = new.get("VPCs", ())
        for verb, vpcs, others in (("Associate", after, before), ("Disassociate", before, after)):
            for vpc in vpcs:
                if vpc not in others:
                    preposition = "With" if verb == "Associate" else "From"
                    aws.call("route53", f"{verb}VPC{preposition}HostedZone", HostedZoneId=physical_id, VPC=vpc)
        dropped = aws.dropped_tags(old, new, "HostedZoneTags")
        tags = aws.tags(new.get("HostedZoneTags"))
        if tags or dropped:
            steps = {"AddTags": tags or None, "RemoveTagKeys": dropped or None}
            zone = {"ResourceType": "hostedzone", "ResourceId": physical_id}
            aws.call("route53", "ChangeTagsForResource", **zone, **steps)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        found = aws.call("route53", "GetHostedZone", Id=physical_id)
        return {"Id": physical_id, "NameServers": found.get("DelegationSet", {}).get("NameServers", [])}


def zone_id(aws: Aws, properties: Properties) -> str:
    """Return the ID of the zone that a record names by ID or by name; a name must be that of one zone only."""
    if "HostedZoneId" in properties:
        return str(properties["HostedZoneId"])
    name = _dotted(properties["HostedZoneName"])
    zones = aws.call("route53", "ListHostedZonesByName", DNSName=name)["HostedZones"]
    found = [zone["Id"].removeprefix("/hostedzone/") for zone in zones if zone["Name"] == name]
    if len(found) != 1:
        what = "No hosted zones" if not found else "Multiple hosted zones"
        raise refusal("ListHostedZonesByName", "InvalidInput", f"{what} named {name} found")
    return str(found[0])


def record(properties: Properties, path: str) -> dict[str, Any]:
    """Return the API's ResourceRecordSet for a record as CloudFormation writes it."""
    refuse_others(properties, _RECORD, path)
    made = {**properties, "Name": _dotted(properties["Name"])}
    if "ResourceRecords" in made:
        made["ResourceRecords"] = [{"Value": value} for value in made["ResourceRecords"]]
    if "AliasTarget" in made:
        made["AliasTarget"] = {"EvaluateTargetHealth": False, **made["AliasTarget"]}
    return made


def _dotted(name: str) -> str:
    return name if name.endswith(".") else f"{name}."


def _key(item: dict[str, Any]) -> tuple[str, str, str]:
    return item["Name"].lower(), item["Type"], item.get("SetIdentifier", "")


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two records have the same values; alias names are compared without their last dot and case."""

    def values(item: dict[str, Any]) -> Any:
        target = item.get("AliasTarget", {})
        alias = (_dotted(target["DNSName"]).lower(), target["HostedZoneId"]) if target else None
        return sorted(entry["Value"] for entry in item.get("ResourceRecords", ())), str(item.get("TTL", "")), alias

    return bool(values(one) == values(other))


Records = list[dict[str, Any]]


def change_records(aws: Aws, zone: str, old: Records, new: Records, comment: str | None = None) -> None:
    """Turn the old records into the new ones in one batch, as strictly as Route 53 is ("ChangeResourceRecordSets").

    Raises:
        ClientError: a record to create is already there, or one to delete no longer has the values it was given.
    """
    before, after = {_key(item): item for item in old}, {_key(item): item for item in new}
    changes = []
    for key, item in before.items():
        if key in after:
            continue
        if (live := _live(aws, zone, key)) is None:
            continue
        if not _same(live, item):
            message = f"Tried to delete resource record set [name='{key[0]}', type='{key[1]}'] but the values provided do not match the current values"
            raise refusal("ChangeResourceRecordSets", "InvalidChangeBatch", f"[{message}]")
        changes.append({"Action": "DELETE", "ResourceRecordSet": live})
    for key, item in after.items():
        if key not in before and _live(aws, zone, key) is not None:
            message = f"Tried to create resource record set [name='{key[0]}', type='{key[1]}'] but it already exists"
            raise refusal("ChangeResourceRecordSets", "InvalidChangeBatch", f"[{message}]")
        if not changed(before, after, key):  # type: ignore[arg-type]
            continue
        changes.append({"Action": "UPSERT" if key in before else "CREATE", "ResourceRecordSet": item})
    if changes:
        batch = {"Changes": changes, **({"Comment": comment} if comment else {})}
        aws.call("route53", "ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch=batch)


def _live(aws: Aws, zone: str, key: tuple[str, str, str]) -> dict[str, Any] | None:
    start = {"StartRecordName": key[0], "StartRecordType": key[1]}
    found = aws.call("route53", "ListResourceRecordSets", HostedZoneId=zone, **start)["ResourceRecordSets"]
    return next((item for item in found if _key(item) == key), None)


class _Records(Resource):
    """What a record and a group of records share."""

    fixed = ("HostedZoneId", "HostedZoneName")

    def make(self, aws: Aws, properties: Properties) -> str:
        change_records(aws, zone_id(aws, properties), [], self.records(properties), properties.get("Comment"))
        return str(properties.get("Name") or aws.name())

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old:
            change_records(aws, zone_id(aws, new), self.records(old), self.records(new), new.get("Comment"))

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        change_records(aws, zone_id(aws, properties), self.records(properties), [])

    def records(self, properties: Properties) -> Records:
        """The records as the API writes them."""
        raise NotImplementedError


class RecordSet(_Records):
    """One record, known by its name; a new name or type replaces the old record in one batch."""

    type = "AWS::Route53::RecordSet"
    accepts = ("HostedZoneId", "HostedZoneName", "Comment", *_RECORD)

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Made:
        super().update(context, physical_id, old, new)
        return Made(str(new["Name"]))

    def records(self, properties: Properties) -> Records:
        return [record(pick(properties, *_RECORD), self.type)]


class RecordSetGroup(_Records):
    """Several records of one zone, changed in one batch."""

    type = "AWS::Route53::RecordSetGroup"
    accepts = ("HostedZoneId", "HostedZoneName", "Comment", "RecordSets")
    gives = ("Id",)

    def records(self, properties: Properties) -> Records:
        sets = enumerate(properties.get("RecordSets", ()))
        return [record(item, f"{self.type}.RecordSets[{index}]") for index, item in sets]
