"""Rights about EBS volumes: every resource of a call is judged, and a new one by the tags that it is to have."""

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"total_max_attempts": 1})
ZONE = "eu-central-1a"
TAG = "kubernetes.io/cluster/payments"
OWNED = {"StringEquals": {f"aws:ResourceTag/{TAG}": "owned"}}
ASKED = {"StringEquals": {f"aws:RequestTag/{TAG}": "owned"}}
NEW = {"StringEquals": {"ec2:CreateAction": "CreateVolume"}}


def allow(action, condition=None, resource="arn:aws:ec2:eu-central-1:123456789012:volume/*"):
    return {
        "Effect": "Allow",
        "Action": action,
        "Resource": resource,
        **({"Condition": condition} if condition else {}),
    }


def tagged(kind, value="owned"):
    return [{"ResourceType": kind, "Tags": [{"Key": TAG, "Value": value}]}]


@pytest.fixture
def made(aws):
    """Return what makes a volume of the cluster, or of nobody."""
    return lambda value="owned": aws.client("ec2").create_volume(
        Size=1, AvailabilityZone=ZONE, TagSpecifications=tagged("volume", value)
    )["VolumeId"]


@pytest.mark.parametrize(
    ("rights", "tags", "code"),
    [
        pytest.param([allow("ec2:CreateVolume", ASKED), allow("ec2:CreateTags", NEW)], "owned", None, id="both"),
        pytest.param([allow("ec2:CreateVolume", ASKED)], "owned", "ec2:CreateTags", id="it may not tag"),
        pytest.param([allow("ec2:CreateTags", NEW)], "owned", "ec2:CreateVolume", id="it may not make"),
        pytest.param(
            [allow("ec2:CreateVolume", ASKED), allow("ec2:CreateTags", NEW)], "other", "ec2:CreateVolume", id="not its"
        ),
        pytest.param([allow("ec2:CreateVolume", ASKED)], "", "ec2:CreateVolume", id="without the tag"),
        pytest.param([allow("ec2:CreateVolume")], "", None, id="without tags nothing is tagged"),
    ],
)
def test_a_volume_is_made_by_who_may_make_it_with_its_tags(role, rights, tags, code):
    """The tags of the request decide, and giving them is a right of its own."""
    ec2 = role(*rights).client("ec2", config=ONCE)
    wanted = {"Size": 1, "AvailabilityZone": ZONE, **({"TagSpecifications": tagged("volume", tags)} if tags else {})}

    if code is None:
        assert ec2.create_volume(**wanted)["VolumeId"]
    else:
        with pytest.raises(ClientError, match=f"UnauthorizedOperation.*{code}"):
            ec2.create_volume(**wanted)


@pytest.mark.parametrize(
    ("volume", "instance", "right"),
    [("owned", "owned", True), ("other", "owned", False), ("owned", "other", False)],
)
def test_volume_and_instance_are_both_judged(aws, role, made, volume, instance, right):
    """Who may attach its own volumes to its own instances attaches no other, and to no other."""
    ec2, image = aws.client("ec2"), aws.client("ec2").describe_images()["Images"][0]["ImageId"]
    [target] = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tagged("instance", instance))[
        "Instances"
    ]
    attach = role(allow("ec2:AttachVolume", OWNED, "*")).client("ec2", config=ONCE).attach_volume
    which = {"VolumeId": made(volume), "InstanceId": target["InstanceId"], "Device": "/dev/xvdaa"}

    if right:
        assert attach(**which)["State"] == "attaching"
    else:
        with pytest.raises(ClientError, match=r"UnauthorizedOperation.*ec2:AttachVolume"):
            attach(**which)


@pytest.mark.parametrize(("whose", "right"), [("owned", True), ("other", False)])
def test_a_volume_is_deleted_by_who_may_delete_it(role, made, whose, right):
    """The volume's own tags decide."""
    delete = role(allow("ec2:DeleteVolume", OWNED)).client("ec2", config=ONCE).delete_volume

    if right:
        delete(VolumeId=made(whose))
    else:
        with pytest.raises(ClientError, match=r"UnauthorizedOperation.*ec2:DeleteVolume"):
            delete(VolumeId=made(whose))
