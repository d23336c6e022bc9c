import hashlib
from dataclasses import replace

import pytest

from kubecfn.config import load_text
from kubecfn.deploy.bucket import ArtifactBucket, artifact_bucket, existing_bucket, owns_bucket
from kubecfn.deploy.upload import Artifact, put, upload
from kubecfn.errors import AwsError, FileError, StackError, WrongUseError

CONFIG = """
name: payments
region: eu-central-1
dns: {parent_zone: example.com}
image: {ami: {x86_64: ami-12c6146b}}
"""


def config(more=""):
    return load_text(CONFIG + more)


def test_an_artifact_is_sent_once_and_skipped_afterwards(operator):
    """What is there under its hash is not sent again."""
    wanted, bucket = operator.deployment().artifacts, operator.bucket()

    first = upload(operator.aws, bucket, wanted)
    operator.embedded.recorder.clear()
    second = upload(operator.aws, bucket, wanted)

    assert [one.sent for one in first] == [True]
    assert [one.sent for one in second] == [False]
    assert operator.embedded.recorder.by("PutObject") == []


def test_an_artifact_is_encrypted_with_the_buckets_key_and_carries_its_checksum(operator):
    """Bundles hold keys: they are never there without KMS, and S3 verifies their bytes."""
    wanted, bucket = operator.deployment().artifacts, operator.bucket()

    upload(operator.aws, bucket, wanted)

    (call,) = operator.embedded.recorder.by("PutObject")
    assert call.call.params["ServerSideEncryption"] == "aws:kms"
    assert call.call.params["SSEKMSKeyId"] == bucket.key_arn
    assert call.call.params["IfNoneMatch"] == "*"
    assert call.call.params["ChecksumSHA256"]
    assert call.call.params["ExpectedBucketOwner"] == operator.aws.account


@pytest.mark.parametrize("with_checksum", [True, False])
def test_an_artifact_that_was_changed_after_its_upload_is_refused(operator, with_checksum):
    """An object whose bytes are not what its name says stops everything; it is neither used nor overwritten."""
    (artifact,), bucket = operator.deployment().artifacts, operator.bucket()
    checksum = {"ChecksumAlgorithm": "SHA256"} if with_checksum else {}
    operator.aws.client("s3").put_object(Bucket=bucket.name, Key=artifact.key, Body=b"other bytes", **checksum)

    with pytest.raises(AwsError, match="was changed after it was uploaded") as raised:
        operator.apply(groups=0)

    assert raised.value.code == "HashMismatch"
    assert operator.stacks() == {}
    assert operator.aws.client("s3").get_object(Bucket=bucket.name, Key=artifact.key)["Body"].read() == b"other bytes"


def test_an_artifact_that_was_changed_on_disk_is_refused(operator):
    """The hash in the name is checked before a byte is sent."""
    operator.bundle.write_bytes(b"tampered")

    with pytest.raises(FileError, match="was changed after it was made"):
        operator.apply(groups=0)

    assert operator.embedded.recorder.by("PutObject") == []


def test_a_missing_artifact_is_named_with_the_command_that_makes_it(operator):
    """A file that is gone is one sentence."""
    gone = Artifact(operator.bundle.with_name("gone"), "payments/x", "0" * 64)

    with pytest.raises(FileError, match="gone cannot be read") as raised:
        upload(operator.aws, operator.bucket(), [gone])

    assert "kubecfn template" in raised.value.remedy


def test_a_lost_answer_is_not_taken_for_someone_elses_object(operator, impatient):
    """The retry of a conditional write meets its own object and is told 412: the bytes are read back."""
    operator.embedded.faults.add(kind="lost-answer", service="s3", operation="PutObject")

    assert put(operator.aws, operator.bucket(), "payments/x", b"bytes")


def test_a_bucket_that_is_not_there_yet_is_told_with_the_command_that_makes_it(operator):
    """No bucket is a step that was forgotten."""
    with pytest.raises(AwsError, match="There is no bucket nowhere-at-all") as raised:
        put(operator.aws, ArtifactBucket("nowhere-at-all", operator.bucket().key_arn), "k", b"bytes")

    assert "kubecfn upload" in raised.value.remedy


def foreign_bucket(operator, name):
    other = operator.embedded.client("s3", account="999999999999")
    other.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})


def test_a_bucket_of_someone_else_is_told_as_such(operator):
    """Names are the whole world's: someone else's bucket is never written to."""
    foreign_bucket(operator, "somebody-elses")
    wanted = config("artifacts: {bucket: somebody-elses, kms_key: arn:aws:kms:eu-central-1:1:key/k}")

    with pytest.raises(AwsError, match="is not this account's") as raised:
        artifact_bucket(wanted, operator.aws, clock=operator.embedded.clock)

    assert "another name" in raised.value.remedy


def test_our_own_buckets_name_taken_by_someone_else_is_told_before_a_stack_is_made(operator):
    """The default name can be taken too; then no half-made stack is left."""
    foreign_bucket(operator, f"kubecfn-{operator.aws.account}-eu-central-1")

    with pytest.raises(AwsError, match="is not this account's"):
        artifact_bucket(config(), operator.aws, clock=operator.embedded.clock)

    assert operator.stacks() == {}


def test_a_bucket_in_another_region_is_told_as_such(operator):
    """Nodes read the bucket at every boot: it has to be in their region."""
    where = {"LocationConstraint": "eu-west-1"}
    operator.embedded.client("s3", "eu-west-1").create_bucket(Bucket="far-away", CreateBucketConfiguration=where)

    with pytest.raises(AwsError, match="is in eu-west-1, not in eu-central-1"):
        owns_bucket(operator.aws, "far-away")


def test_the_bucket_stack_is_made_once(operator):
    """Auto makes the stack when it is missing and finds it afterwards."""
    assert existing_bucket(config(), operator.aws) is None

    first = artifact_bucket(config(), operator.aws, clock=operator.embedded.clock, report=operator.report)
    second = artifact_bucket(config(), operator.aws, clock=operator.embedded.clock, report=operator.report)

    assert (first.made, second.made) == (True, False)
    assert first.name == second.name == f"kubecfn-{operator.aws.account}-eu-central-1"
    assert existing_bucket(config(), operator.aws) == second


def test_two_runs_that_make_the_bucket_at_once_make_one(operator):
    """The second meets the first's stack and waits for it."""
    operator.embedded.faults.add(kind="lost-answer", service="cloudformation", operation="CreateStack")

    made = artifact_bucket(config(), operator.aws, clock=operator.embedded.clock)

    assert operator.stacks() == {"kubecfn-artifacts": "CREATE_COMPLETE"}
    assert made.key_arn.startswith("arn:aws:kms:")


def test_a_bucket_stack_that_cannot_be_made_says_why(operator):
    """The failure is the stack's own; nothing of it stays."""
    operator.embedded.faults.add(kind="denied", service="kms", operation="CreateKey", times=10**6, internal=True)

    with pytest.raises(StackError, match="kubecfn-artifacts could not be made"):
        artifact_bucket(config(), operator.aws, clock=operator.embedded.clock)

    assert operator.stacks() == {}


def large(size):
    description = "x" * 200
    count = size // 260
    return {
        f"Topic{number}": {
            "Type": "AWS::Logs::LogGroup",
            "Condition": "Never",
            "Metadata": {"Description": description},
        }
        for number in range(count)
    }


def with_condition(deployment):
    text = deployment.template.replace(
        '"Resources"', '"Conditions": {"Never": {"Fn::Equals": ["a", "b"]}}, "Resources"', 1
    )
    return replace(deployment, template=text)


def test_a_template_too_large_for_a_request_goes_through_the_bucket(operator):
    """Above 51,200 bytes CloudFormation takes an S3 address: by hash, under the cluster's own prefix."""
    wanted = with_condition(operator.deployment(groups=0, extra=large(60_000)))
    assert len(wanted.template) > 51_200

    outcome = operator.apply(deployment=wanted)

    digest = hashlib.sha256(wanted.template.encode()).hexdigest()
    (call,) = operator.embedded.recorder.by("CreateChangeSet")
    assert call.call.params["TemplateURL"].endswith(f"/payments/templates/{digest}.yaml")
    assert outcome.changed


def test_a_template_over_the_limit_is_refused_before_anything_is_sent(operator):
    """Above 1,000,000 bytes nothing helps: the size and the limit are named."""
    wanted = with_condition(operator.deployment(groups=0, bucket=False, extra=large(1_200_000)))

    with pytest.raises(WrongUseError, match="CloudFormation takes 1,000,000 at most") as raised:
        operator.apply(deployment=wanted)

    assert raised.value.exit_code == 2
    assert operator.stacks() == {}


def test_a_large_update_without_a_bucket_says_what_makes_it(operator):
    """A plan makes nothing, so it cannot make the bucket: for a stack that stands it names the command that does."""
    operator.apply(deployment=operator.deployment(groups=0))
    wanted = with_condition(operator.deployment(groups=0, bucket=False, extra=large(60_000)))

    with pytest.raises(WrongUseError, match="no artifact bucket yet") as raised:
        operator.plan(deployment=wanted)

    assert "kubecfn upload" in raised.value.remedy


def test_a_large_first_plan_without_a_bucket_is_read_off_the_template(operator):
    """Where nobody can be asked yet, everything is added; it is said, and nothing is made."""
    wanted = with_condition(operator.deployment(groups=0, bucket=False, extra=large(60_000)))

    explanation = operator.plan(deployment=wanted)

    assert explanation.creates
    assert any("read off the template alone" in line for line in operator.told())
    assert not operator.embedded.recorder.by("CreateChangeSet")
