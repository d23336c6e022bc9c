"""The picture shows the template: all of it, and nothing else."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from kubecfn.picture import read, svg
from kubecfn.picture.values import references, text

SVG = "{http://www.w3.org/2000/svg}"


def small_stack() -> dict:
    """Return two zones, a balanced group of two, a function woken by a rule, a kept bucket."""
    zone = {"Fn::Select": [0, {"Fn::GetAZs": {"Ref": "AWS::Region"}}]}
    cidrs = {"Fn::Cidr": [{"Fn::GetAtt": ["Vpc", "CidrBlock"]}, 4, 12]}
    return {
        "Description": "two zones",
        "Parameters": {
            "Type": {"Type": "String", "Default": "m7i.large"},
            "Network": {"Type": "String", "Default": "10.20.0.0/16"},
            "Zones": {"Type": "CommaDelimitedList", "Default": "eu-central-1a,eu-central-1b"},
        },
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Network"}}},
            "Public": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"AvailabilityZone": zone, "CidrBlock": {"Fn::Select": [0, cidrs]}},
            },
            "Nat": {"Type": "AWS::EC2::NatGateway", "Properties": {"SubnetId": {"Ref": "Public"}}},
            "PrivateA": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"AvailabilityZone": zone, "CidrBlock": {"Fn::Select": [1, cidrs]}},
            },
            "PrivateB": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"AvailabilityZone": zone, "CidrBlock": {"Fn::Select": [2, cidrs]}},
            },
            "Balancer": {
                "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
                "Properties": {"Type": "network", "Scheme": "internal"},
            },
            "Listener": {"Type": "AWS::ElasticLoadBalancingV2::Listener", "Properties": {"Port": 6443}},
            "Launch": {
                "Type": "AWS::EC2::LaunchTemplate",
                "Properties": {"LaunchTemplateData": {"InstanceType": {"Ref": "Type"}}},
            },
            "Group": {
                "Type": "AWS::AutoScaling::AutoScalingGroup",
                "Properties": {
                    "MinSize": "2",
                    "MaxSize": "3",
                    "VPCZoneIdentifier": [{"Ref": "PrivateA"}, {"Ref": "PrivateB"}],
                    "TargetGroupARNs": [{"Ref": "Balancer"}],
                    "LaunchTemplate": {
                        "LaunchTemplateId": {"Ref": "Launch"},
                        "Version": {"Fn::GetAtt": ["Launch", "LatestVersionNumber"]},
                    },
                },
                "UpdatePolicy": {"AutoScalingRollingUpdate": {"MaxBatchSize": 1, "WaitOnResourceSignals": True}},
            },
            "Watcher": {"Type": "AWS::Lambda::Function", "Properties": {}},
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "ScheduleExpression": "rate(5 minutes)",
                    "Targets": [{"Arn": {"Fn::GetAtt": ["Watcher", "Arn"]}}],
                },
            },
            "Backups": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
            "Odd": {"Type": "Custom::Thing"},
        },
    }


def shown_resources(drawing: str) -> set[str]:
    """Return every logical id that some box of the drawing stands for."""
    boxes = ET.fromstring(drawing).iter(f"{SVG}rect")
    return {name for box in boxes for name in box.get("data-resources", "").split()}


def words(drawing: str) -> str:
    """Return everything written in the drawing."""
    return "\n".join(element.text or "" for element in ET.fromstring(drawing).iter(f"{SVG}text"))


def test_every_resource_of_the_template_is_in_the_picture() -> None:
    """Nothing the template makes is left out of its picture, and nothing else is drawn."""
    template = small_stack()

    assert shown_resources(svg(template)) == set(template["Resources"])
    del template["Resources"]["Odd"]
    assert "Odd" not in shown_resources(svg(template))


def test_a_person_reads_sizes_types_and_how_it_rolls() -> None:
    """A group says how many instances of which type, and how an update goes through it."""
    picture = read(small_stack())

    (group,) = picture.groups
    assert (group.least, group.most, group.types, group.subnets) == ("2", "3", "m7i.large", ("PrivateA", "PrivateB"))
    assert group.notes == ("rolls 1 at a time, waits for signals",)
    assert "2 to 3 of m7i.large" in words(svg(small_stack()))


def test_subnets_stand_in_their_zone_with_their_network() -> None:
    """Parameters and Fn::Cidr are worked out, so that the picture shows addresses."""
    picture = read(small_stack())

    assert [(subnet.id, subnet.zone, subnet.cidr) for subnet in picture.private] == [
        ("PrivateA", "zone 1", "10.20.16.0/20"),
        ("PrivateB", "zone 1", "10.20.32.0/20"),
    ]
    assert [(subnet.id, subnet.nat) for subnet in picture.public] == [("Public", True)]


def test_what_wakes_a_function_stands_beside_it() -> None:
    """A function without a trigger in the template is said to have none."""
    template = small_stack()
    assert read(template).functions[0].triggers == ("rate(5 minutes)",)

    del template["Resources"]["Rule"]
    assert "woken by nothing in this template" in words(svg(template))


def test_what_is_kept_is_said_to_be_kept() -> None:
    """Storage that survives the stack says so."""
    template = small_stack()
    assert dict(read(template).storage)["Backups"] == "bucket, kept when the stack goes"

    del template["Resources"]["Backups"]["DeletionPolicy"]
    assert dict(read(template).storage)["Backups"] == "bucket, goes with the stack"


def test_boxes_stay_inside_the_picture() -> None:
    """Whatever the number of groups, nothing is drawn outside the frame."""
    template = small_stack()
    for number in range(40):
        template["Resources"][f"Group{number}"] = template["Resources"]["Group"]

    root = ET.fromstring(svg(template))
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for box in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.get(name, "0")) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
    assert "and 27 more groups" in words(svg(template))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        (3, "3"),
        ({"Ref": "Type"}, "m7i.large"),
        ({"Ref": "Group"}, "Group"),
        ({"Fn::Sub": "${AWS::StackName}-x"}, "stack-x"),
        ({"Fn::Sub": ["${A}.${Type}", {"A": {"Ref": "Network"}}]}, "10.20.0.0/16.m7i.large"),
        ({"Fn::Join": [".", ["a", {"Ref": "Type"}]]}, "a.m7i.large"),
        ({"Fn::Select": [1, {"Ref": "Zones"}]}, "eu-central-1b"),
        ({"Fn::Select": [1, {"Ref": "Unknown"}]}, "item 2"),
        ({"Fn::GetAtt": ["Launch", "Id"]}, "Launch.Id"),
        (["a", {"Ref": "Type"}], "a, m7i.large"),
        (None, ""),
    ],
)
def test_a_value_is_shown_as_far_as_it_is_known(value: object, shown: str) -> None:
    """Defaults stand in for parameters; what only AWS will know is shown by its name."""
    assert text(small_stack(), value) == shown


def test_references_are_found_wherever_they_stand() -> None:
    """Ref, GetAtt in both forms and Sub all refer; a Sub's own names and literals do not."""
    value = [
        {"Ref": "A"},
        {"x": {"Fn::GetAtt": "B.Arn"}},
        {"Fn::GetAtt": ["C", "Arn"]},
        {"Fn::Sub": ["${D.Arn} ${own} ${!E}", {"own": {"Ref": "F"}}]},
    ]

    assert references(value) == {"A", "B", "C", "D", "F"}
