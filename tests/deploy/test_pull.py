"""Keys come back from the bucket only as the very bytes that the stack names, and only from their place."""

import hashlib
import io
import json
import tarfile

import pytest
from botocore.exceptions import ClientError

from kubecfn.artifacts.archive import Entry, tar_gz
from kubecfn.deploy.aws import Aws
from kubecfn.deploy.pull import client_in, keys_in, pull
from kubecfn.errors import AwsError, StackError

NODE = "etc/kubernetes/pki/"
KEYS = {"ca.crt": (0o644, b"certificate"), "etcd/ca.key": (0o600, b"key")}
BUNDLE = tar_gz(
    [
        Entry("etc/systemd/system/kubecfn-agent.service", 0o644, b"[Unit]"),
        *(Entry(NODE + path, mode, data) for path, (mode, data) in KEYS.items()),
    ]
)
DIGEST = hashlib.sha256(BUNDLE).hexdigest()
KEY = f"payments/controller/controller-{DIGEST}.tar.gz"
NAMED = {"ArtifactBucket": "artifacts", "ControllerBundleSha256": DIGEST}


class CloudFormation:
    """Answers DescribeStacks for one stack, or none."""

    def __init__(self, parameters, status="UPDATE_COMPLETE"):
        self.parameters, self.status = parameters, status

    def describe_stacks(self, StackName):  # noqa: N803  boto3's own spelling
        """Return the stack in its state."""
        if self.parameters is None:
            raise refused("ValidationError", f"Stack with id {StackName} does not exist", "DescribeStacks")
        named = [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()]
        stack = {"StackName": StackName, "StackId": "arn", "StackStatus": self.status, "Parameters": named}
        return {"Stacks": [stack]}


class S3:
    """Answers GetObject from a dictionary, to the bucket's owner only."""

    def __init__(self, objects):
        self.objects = objects

    def get_object(self, *, Bucket, Key, ExpectedBucketOwner):  # noqa: N803  boto3's own spelling
        """Return an object, or what S3 says instead."""
        assert ExpectedBucketOwner == "123456789012"
        found = self.objects.get((Bucket, Key))
        if isinstance(found, str):
            raise refused(found, "not authorized to perform: kms:Decrypt", "GetObject")
        if found is None:
            raise refused("NoSuchKey", "The specified key does not exist.", "GetObject")
        return {"Body": io.BytesIO(found)}


def refused(code, message, operation):
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def aws(parameters=NAMED, objects=None, status="UPDATE_COMPLETE"):
    clients = {
        "cloudformation": CloudFormation(parameters, status),
        "s3": S3({("artifacts", KEY): BUNDLE} if objects is None else objects),
    }
    return Aws(None, "eu-central-1", "123456789012", "aws", "arn:aws:iam::123456789012:user/b", clients)


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"])
def test_the_keys_of_a_standing_stack_are_pulled(status):
    """Whatever state a stack stands in, its controllers' keys come back by their path on the node, and nothing else."""
    pulled = pull(aws(status=status), "payments", "payments")

    assert {NODE + path: found for path, found in KEYS.items()} == {
        path: (file.mode, file.data) for path, file in pulled.items()
    }


@pytest.mark.parametrize(
    ("parameters", "status", "said"),
    [
        (None, "", r"no stack payments in eu-central-1.*keys make"),
        ({}, "REVIEW_IN_PROGRESS", r"no stack payments.*REVIEW_IN_PROGRESS"),
        ({"Other": "1"}, "CREATE_COMPLETE", r"not a cluster of kubecfn's"),
        (NAMED | {"ControllerBundleSha256": ""}, "CREATE_COMPLETE", r"not a cluster of kubecfn's"),
    ],
)
def test_without_a_stack_that_names_its_bundle_there_is_nothing_to_pull(parameters, status, said):
    """Which bundle is the right one is the stack's to say: no guess from what lies in the bucket."""
    with pytest.raises(StackError, match=said):
        pull(aws(parameters, status=status), "payments", "payments")


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ({}, r"is gone.*last version"),
        ({("artifacts", KEY): BUNDLE + b"x"}, r"was changed after it was uploaded.*CloudTrail"),
        ({("artifacts", KEY): "AccessDenied"}, r"While fetching s3://artifacts/payments/.*kms:Decrypt"),
    ],
)
def test_a_bundle_that_is_not_the_named_bytes_is_refused(objects, said):
    """Gone, changed or forbidden: each is one sentence with the object and the remedy."""
    with pytest.raises(AwsError, match=said):
        pull(aws(objects=objects), "payments", "payments")


def archive(*members):
    """Return a bundle of hand-made entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def member(path, kind=tarfile.REGTYPE, size=0):
    info = tarfile.TarInfo(path)
    info.type, info.size, info.linkname = kind, size, "/etc/shadow"
    return info


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (archive(member(NODE + "ca.key", tarfile.SYMTYPE)), "not a regular file"),
        (archive(member(NODE + "ca.key", tarfile.LNKTYPE)), "not a regular file"),
        (archive(member(NODE + "ca.key", tarfile.CHRTYPE)), "not a regular file"),
        (archive(member(NODE + "../../passwd")), "leads out of its place"),
        (archive(member(NODE + "ca.key", size=2_000_000)), "2,000,000 bytes, which no key has"),
        (b"garbage", "not a whole archive"),
        (BUNDLE[:300], "not a whole archive"),
    ],
)
def test_an_archive_that_would_do_harm_is_refused(data, said):
    """Links, devices, paths that climb and endless entries are named, not followed."""
    with pytest.raises(AwsError, match=said):
        keys_in(data, "s3://artifacts/bundle")


def test_what_lies_outside_the_keys_place_is_not_looked_at():
    """A bundle's other entries, even odd ones, are neither read nor refused; keys are all that is wanted."""
    assert keys_in(archive(member("dev/null", tarfile.CHRTYPE), member(NODE + "etcd", tarfile.DIRTYPE)), "bundle") == {}


CLIENT = json.dumps({"ca": "authority", "cert": "certificate", "key": "secret"}).encode()
CLIENT_DIGEST = hashlib.sha256(CLIENT).hexdigest()


def test_the_functions_certificate_is_pulled_with_the_keys():
    """An operator on another machine who issued it anew would change every function that reaches etcd."""
    objects = {
        ("artifacts", KEY): BUNDLE,
        ("artifacts", f"payments/functions/etcd-client-{CLIENT_DIGEST}.json"): CLIENT,
    }
    pulled = pull(aws(NAMED | {"EtcdClientSha256": CLIENT_DIGEST}, objects=objects), "payments", "payments")

    assert pulled[f"{NODE}etcd/lambda-client.crt"].data == b"certificate"
    assert (pulled[f"{NODE}etcd/lambda-client.key"].data, pulled[f"{NODE}etcd/lambda-client.key"].mode) == (
        b"secret",
        0o600,
    )


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"cert": "c"}', b'{"cert": 1, "key": 2}', b"\xff"])
def test_what_is_no_certificate_is_refused(text):
    """One sentence that names the object."""
    with pytest.raises(AwsError, match=r"s3://b/k is no bundle of kubecfn's: it is no certificate"):
        client_in(text, "s3://b/k")
