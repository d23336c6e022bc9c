"""What add-ons may do in AWS: their own cluster's things, and nobody else's. Judged as IAM judges it."""

from __future__ import annotations

import json
import re

import pytest
from awacs.aws import PolicyDocument
from troposphere import iam

from kubecfn.local.iam.evaluate import evaluate
from kubecfn.local.iam.policy import statements
from kubecfn.template.addon_rights import addon_rights, pod_network_rights
from tests.addons.samples import ASKED, configured

PSEUDO = {"Partition": "aws", "Region": "eu-central-1", "AccountId": "123456789012"}
HERE = "eu-central-1:123456789012"
# IAM: "IAM and AWS STS quotas": a role's inline policies together, whitespace not counted.
LONGEST = 10_240
MINE, OTHERS = ({f"kubernetes.io/cluster/{name}": "owned"} for name in ("payments", "ledger"))
POOL, OTHER_POOL = ({f"k8s.io/cluster-autoscaler/{name}": "owned"} for name in ("payments", "ledger"))
BALANCER = f"arn:aws:elasticloadbalancing:{HERE}:loadbalancer/net/a1/50dc6c495c0c9188"
LISTENER = f"arn:aws:elasticloadbalancing:{HERE}:listener/net/a1/50dc6c495c0c9188/0467ef3c8400ae65"
GROUP = f"arn:aws:autoscaling:{HERE}:autoScalingGroup:0:autoScalingGroupName/payments-Pool-1"


def emitted(rights):
    """Return a policy as it stands in the template."""
    policy = iam.Policy(PolicyName="addons", PolicyDocument=PolicyDocument(Version="2012-10-17", Statement=rights))
    return json.dumps(policy.to_dict()["PolicyDocument"], separators=(",", ":"))


def written(rights):
    """Return a policy as CloudFormation resolves it here."""
    text = emitted(rights)
    text = re.sub(r'\{"Fn::Sub":("[^"]*")\}', r"\1", text)
    return re.sub(r"\$\{AWS::(\w+)\}", lambda found: PSEUDO[found[1]], text)


def ec2(kind):
    """Return the ARN of some resource of EC2's in this account and region."""
    return f"arn:aws:ec2:{HERE}:{kind}/{kind}-0a"


def may(rights, action, resource, context):
    """Say whether these rights allow an action."""
    decision = evaluate(statements("addons", written(rights)), action, resource, context)
    assert not decision.unjudged
    return decision.allowed


def tagged(tags, where="aws:ResourceTag"):
    """Return a request's context with the tags of what it is about."""
    return {f"{where}/{key}": (value,) for key, value in tags.items()}


def asking(tags):
    """Return the context of a call that makes something with these tags."""
    return tagged(tags, "aws:RequestTag")


@pytest.mark.parametrize(
    ("action", "resource", "own", "others"),
    [
        ("ec2:AttachVolume", ec2("volume"), tagged(MINE), tagged(OTHERS)),
        ("ec2:AttachVolume", ec2("instance"), tagged(MINE), tagged(OTHERS)),
        ("ec2:DeleteVolume", ec2("volume"), tagged(MINE), {}),
        ("ec2:ModifyVolume", ec2("volume"), tagged(MINE), tagged(OTHERS)),
        ("ec2:CreateVolume", ec2("volume"), asking(MINE), asking(OTHERS)),
        (
            "ec2:CreateVolume",
            ec2("volume"),
            asking({"CSIVolumeName": "IopsLimitDryRun"}),
            asking({"CSIVolumeName": "x"}),
        ),
        ("ec2:CreateTags", ec2("volume"), {"ec2:CreateAction": ("CreateVolume",)}, {}),
        ("ec2:CreateSecurityGroup", ec2("security-group"), asking(MINE), {}),
        ("ec2:CreateTags", ec2("security-group"), {"ec2:CreateAction": ("CreateSecurityGroup",)}, {}),
        ("ec2:AuthorizeSecurityGroupIngress", ec2("security-group"), tagged(MINE), tagged(OTHERS)),
        ("ec2:DeleteSecurityGroup", ec2("security-group"), tagged(MINE), {}),
        ("elasticloadbalancing:CreateLoadBalancer", BALANCER, asking(MINE), asking(OTHERS)),
        ("elasticloadbalancing:DeleteLoadBalancer", BALANCER, tagged(MINE), tagged(OTHERS)),
        ("elasticloadbalancing:CreateListener", BALANCER, tagged(MINE), {}),
        ("elasticloadbalancing:ModifyListener", LISTENER, tagged(MINE), tagged(OTHERS)),
        (
            "elasticloadbalancing:AddTags",
            LISTENER,
            {"elasticloadbalancing:CreateAction": ("CreateListener",)},
            {"elasticloadbalancing:CreateAction": ("CreateRule",)},
        ),
        ("autoscaling:SetDesiredCapacity", GROUP, tagged(POOL), tagged(OTHER_POOL)),
        # The controllers' group has the cluster's tag, as all its instances have.
        ("autoscaling:TerminateInstanceInAutoScalingGroup", GROUP, tagged(POOL), tagged(MINE)),
    ],
)
def test_an_addon_changes_only_what_is_its_clusters(action, resource, own, others):
    """The same call is allowed on what carries the cluster's tag and refused on what carries another's or none."""
    rights = addon_rights(configured())

    assert may(rights, action, resource, own)
    assert not may(rights, action, resource, others)


def test_what_is_made_is_made_in_some_vpc():
    """A security group's creation is a question about its network, too, and that has another's tags."""
    assert may(addon_rights(configured()), "ec2:CreateSecurityGroup", ec2("vpc"), {})


@pytest.mark.parametrize(
    ("off", "prefixes"),
    [
        ("cloud_controller", ("elasticloadbalancing:", "ec2:CreateSecurityGroup", "ec2:DescribeVpcs")),
        ("ebs_csi", ("ec2:CreateVolume", "ec2:AttachVolume", "ec2:DescribeVolumes")),
        ("cluster_autoscaler", ("autoscaling:",)),
    ],
)
def test_what_is_turned_off_has_no_rights(off, prefixes):
    """An add-on's rights come and go with it."""
    assert all(f'"{prefix}' in written(addon_rights(configured())) for prefix in prefixes)
    assert not any(f'"{prefix}' in written(addon_rights(configured(**{off: False}))) for prefix in prefixes)


def test_without_addons_and_without_pools_there_is_nothing_to_allow():
    """What does not run needs nothing; an autoscaler needs pools."""
    assert addon_rights(configured(**ASKED["least"])) == []
    assert '"autoscaling:' not in written(addon_rights(configured(pools=[])))


@pytest.mark.parametrize("network", ["flannel", "cilium", "vpc-cni", "none"])
def test_only_awss_own_pod_network_needs_rights_of_every_node(network):
    """An overlay asks nothing of AWS; the VPC's own addresses are EC2's to give, to interfaces of the cluster's alone."""
    rights = pod_network_rights(configured(cni=network))
    assert bool(rights) is (network == "vpc-cni")
    if not rights:
        return
    own, others = ({"aws:ResourceTag/cluster.k8s.amazonaws.com/name": (name,)} for name in ("payments", "ledger"))
    for action in ("ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:AttachNetworkInterface"):
        assert may(rights, action, ec2("network-interface"), own)
        assert not may(rights, action, ec2("network-interface"), others)
    assert may(rights, "ec2:AttachNetworkInterface", ec2("instance"), tagged(MINE))
    assert not may(rights, "ec2:AttachNetworkInterface", ec2("instance"), tagged(OTHERS))


@pytest.mark.parametrize("statement", addon_rights(configured()), ids=lambda one: one.properties["Sid"])
def test_whatever_changes_something_has_a_condition(statement):
    """Calls without resource-level permissions look only; of all others a single one is free, a group's place in a VPC."""
    (found,) = json.loads(emitted([statement]))["Statement"]
    if found["Resource"] == ["*"]:
        assert all(action.partition(":")[2].startswith("Describe") for action in found["Action"])
    else:
        assert bool(found.get("Condition")) is (found["Sid"] != "MakeSecurityGroupsInVpc")


def test_every_right_is_true_in_its_partition_and_account():
    """No ARN is bound to one partition, region or account but by CloudFormation's own words."""
    rights = [*addon_rights(configured()), *pod_network_rights(configured(cni="vpc-cni"))]
    text = emitted(rights)
    assert "arn:aws" not in text
    arns = re.findall(r'"(arn:[^"]+)"', text)
    assert arns
    assert all(one.startswith("arn:${AWS::Partition}:") for one in arns)


def test_all_rights_fit_beside_the_controllers_own():
    """A role's inline policies have a limit together, and a quarter of it is what a controller needs itself."""
    rights = [*addon_rights(configured()), *pod_network_rights(configured(cni="vpc-cni"))]
    assert len(written(rights)) < LONGEST * 4 // 5
