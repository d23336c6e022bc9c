"""Launch templates, single instances and volumes."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

import base64
from typing import Any

from kubecfn.local.providers.network import Ec2Resource, tag_ec2
from kubecfn.local.providers.resource import Aws, Resource, changed, pick, random_part
from kubecfn.local.providers.seam import Properties


class LaunchTemplate(Resource):
    """A launch template; changed data become a new version, the default version stays the first."""

    type = "AWS::EC2::LaunchTemplate"
    fixed = ("LaunchTemplateName", "TagSpecifications")
    accepts = (*fixed, "LaunchTemplateData", "VersionDescription")
    gives = ("DefaultVersionNumber", "LatestVersionNumber", "LaunchTemplateId")
    deletes = ("ec2", "DeleteLaunchTemplate", "LaunchTemplateId")

    def make(self, aws: Aws, properties: Properties) -> str:
        name = properties.get("LaunchTemplateName") or f"{aws.context.logical_id[:100]}_{random_part()}"
        # Given at once: the back end shows a template's tags as they were when it was made.
        tags = aws.tags(tag for item in properties.get("TagSpecifications", ()) for tag in item.get("Tags", ()))
        answer = aws.call(
            "ec2",
            "CreateLaunchTemplate",
            LaunchTemplateName=name,
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}] if tags else None,
            **pick(properties, "LaunchTemplateData", "VersionDescription"),
        )
        return str(answer["LaunchTemplate"]["LaunchTemplateId"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, "LaunchTemplateData", "VersionDescription"):
            given = pick(new, "LaunchTemplateData", "VersionDescription")
            aws.call("ec2", "CreateLaunchTemplateVersion", LaunchTemplateId=physical_id, **given)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        found = aws.call("ec2", "DescribeLaunchTemplates", LaunchTemplateIds=[physical_id])["LaunchTemplates"][0]
        numbers = {name: str(found[name]) for name in ("DefaultVersionNumber", "LatestVersionNumber")}
        return {"LaunchTemplateId": physical_id, **numbers}


class Instance(Ec2Resource):
    """A single instance; security groups, source/destination check, termination protection and tags change in place."""

    type = "AWS::EC2::Instance"
    _same = (
        "BlockDeviceMappings", "EbsOptimized", "ImageId", "InstanceType", "KeyName", "LaunchTemplate",
        "MetadataOptions", "PrivateIpAddress", "SubnetId",
    )  # fmt: skip
    fixed = (*_same, "AvailabilityZone", "IamInstanceProfile", "Monitoring", "UserData")
    accepts = (*fixed, "DisableApiTermination", "SecurityGroupIds", "SourceDestCheck", "Tags")
    gives = (
        "AvailabilityZone", "InstanceId", "PrivateDnsName", "PrivateIp", "PublicDnsName", "PublicIp", "VpcId",
    )  # fmt: skip

    def make(self, aws: Aws, properties: Properties) -> str:
        given = pick(properties, *self._same, "DisableApiTermination", "SecurityGroupIds")
        if "UserData" in properties:  # the template has it encoded, the client encodes it again
            given["UserData"] = base64.b64decode(properties["UserData"]).decode()
        if "IamInstanceProfile" in properties:
            given["IamInstanceProfile"] = {"Name": properties["IamInstanceProfile"]}
        if "Monitoring" in properties:
            given["Monitoring"] = {"Enabled": properties["Monitoring"]}
        if "AvailabilityZone" in properties:
            given["Placement"] = pick(properties, "AvailabilityZone")
        answer = aws.call("ec2", "RunInstances", MinCount=1, MaxCount=1, **given)
        return str(answer["Instances"][0]["InstanceId"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        aws.until(lambda: self._look(aws, physical_id)["State"]["Name"] == "running", 600, "instance")
        if old and changed(old, new, "SecurityGroupIds"):
            aws.call("ec2", "ModifyInstanceAttribute", InstanceId=physical_id, Groups=new["SecurityGroupIds"])
        if changed({"SourceDestCheck": True, **old}, {"SourceDestCheck": True, **new}, "SourceDestCheck"):
            value = {"Value": new.get("SourceDestCheck", True)}
            aws.call("ec2", "ModifyInstanceAttribute", InstanceId=physical_id, SourceDestCheck=value)
        if old and changed(old, new, "DisableApiTermination"):
            value = {"Value": new.get("DisableApiTermination", False)}
            aws.call("ec2", "ModifyInstanceAttribute", InstanceId=physical_id, DisableApiTermination=value)
        tag_ec2(aws, physical_id, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        found = self._look(aws, physical_id)
        return {
            "InstanceId": physical_id,
            "AvailabilityZone": found["Placement"]["AvailabilityZone"],
            "PrivateIp": found.get("PrivateIpAddress", ""),
            "PublicIp": found.get("PublicIpAddress", ""),
            **{name: found.get(name, "") for name in ("PrivateDnsName", "PublicDnsName", "VpcId")},
        }

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("ec2", "TerminateInstances", InstanceIds=[physical_id])
        aws.until(lambda: self._look(aws, physical_id)["State"]["Name"] == "terminated", 600, "instance")

    def _look(self, aws: Aws, physical_id: str) -> dict[str, Any]:
        found = aws.call("ec2", "DescribeInstances", InstanceIds=[physical_id])["Reservations"]
        return dict(found[0]["Instances"][0])


class Volume(Ec2Resource):
    """A volume; deletion waits for nothing and is refused while an instance holds it."""

    type = "AWS::EC2::Volume"
    fixed = (
        "AvailabilityZone", "Encrypted", "Iops", "KmsKeyId", "MultiAttachEnabled", "Size", "SnapshotId", "Throughput",
        "VolumeType",
    )  # fmt: skip
    accepts = (*fixed, "Tags")
    gives = ("VolumeId",)
    makes = ("ec2", "CreateVolume", "VolumeId")
    deletes = ("ec2", "DeleteVolume", "VolumeId")
