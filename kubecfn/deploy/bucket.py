"""Where artifacts go: a bucket the configuration names, or kubecfn's own small stack, made when it is missing.

Source: S3 API reference, HeadBucket (403 and 404); CloudFormation API reference, CreateStack.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubecfn.config import Config
from kubecfn.deploy.aws import Aws, code_of, doing
from kubecfn.deploy.follow import watch
from kubecfn.deploy.progress import Kind, RealClock, Reporter, Waiting, Work, silent
from kubecfn.deploy.stacks import Stack, read_stack
from kubecfn.deploy.states import ACTS, Apply, Ended, State
from kubecfn.deploy.why import tell_why
from kubecfn.errors import AwsError, StackError

STACK = "kubecfn-artifacts"
_ABSENT = frozenset({"404", "NoSuchBucket", "NotFound"})


@dataclass(frozen=True)
class ArtifactBucket:
    """The bucket and its key.

    Attributes:
        name: of the bucket.
        key_arn: of the KMS key that encrypts what is put there.
        made: whether it was made just now.
        there: False stands for the one that the first apply would make.
    """

    name: str
    key_arn: str
    made: bool = False
    there: bool = True


def existing_bucket(config: Config, aws: Aws) -> ArtifactBucket | None:
    """Return the bucket if there is one; nothing is made.

    Raises:
        AwsError: the bucket the configuration names does not exist or is not this account's.
    """
    if config.artifacts.bucket != "auto":
        if not owns_bucket(aws, config.artifacts.bucket):
            raise AwsError(
                f"There is no bucket {config.artifacts.bucket} (artifacts.bucket).",
                code="NoSuchBucket",
                remedy="Make it, or write artifacts: {bucket: auto}.",
            )
        return ArtifactBucket(config.artifacts.bucket, str(config.artifacts.kms_key))
    stack = read_stack(aws, STACK)
    return _from(stack) if stack.stands and ACTS[stack.state].ended is not Ended.RUNNING else None


def artifact_bucket(
    config: Config, aws: Aws, *, clock: Waiting | None = None, report: Reporter = silent
) -> ArtifactBucket:
    """Return the bucket, making kubecfn's own when the configuration says ``auto`` and it is missing.

    Two runs at once make one stack: whoever comes second waits for the first.

    Raises:
        AwsError: the bucket is someone else's, or AWS refuses.
        StackError: the bucket's stack cannot be made.
    """
    if config.artifacts.bucket != "auto":
        found = existing_bucket(config, aws)
        assert found is not None, "a named bucket exists or existing_bucket has raised"
        return found
    work = Work(clock or RealClock(), report, "kubecfn upload")
    stack = _settled(aws, read_stack(aws, STACK), work)
    if bucket := _from(stack):
        return bucket
    _refuse_foreign(aws, f"kubecfn-{aws.account}-{aws.region}")
    ended = watch(aws, _make(aws, work), work, began=False).stack
    bucket = _from(ended)
    if bucket is None:
        raise StackError(
            f"The stack {STACK} could not be made: it is {ended.state}.\n"
            f"{tell_why(aws, ended.id or STACK, 'artifacts', ended.reason).text()}",
            remedy="Mend what is named and repeat, or give artifacts.bucket an existing bucket.",
        )
    return ArtifactBucket(bucket.name, bucket.key_arn, made=True)


def owns_bucket(aws: Aws, name: str) -> bool:
    """Return whether a bucket is this account's; False when there is none.

    Raises:
        AwsError: it is someone else's, or in another region, or S3 refuses.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"looking at the bucket {name}"):
        try:
            answer = aws.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=aws.account)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return False
            if code_of(error) in {"403", "AccessDenied", "Forbidden"}:
                raise AwsError(
                    f"The bucket {name} is not this account's ({aws.account}), or you may not see it.",
                    code="403",
                    remedy="Bucket names are the whole world's: give artifacts.bucket another name, or use an account that owns it.",
                ) from error
            raise
    region = answer.get("BucketRegion") or answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    if region and region != aws.region:
        raise AwsError(
            f"The bucket {name} is in {region}, not in {aws.region}.",
            code="WrongRegion",
            remedy=f"Give artifacts.bucket a bucket in {aws.region}: nodes read it at every boot.",
        )
    return True


def _settled(aws: Aws, stack: Stack, work: Work) -> Stack:
    """Wait for an operation under way; remove what a failed creation left."""
    if ACTS[stack.state].ended is Ended.RUNNING:
        work.tell(Kind.STEP, f"Waiting for the stack {STACK}, which someone makes right now")
        stack = watch(aws, stack.id, work).stack
    if ACTS[stack.state].apply is Apply.DELETE_FIRST or stack.state is State.REVIEW_IN_PROGRESS:
        work.tell(Kind.STEP, f"Removing what a failed creation left of {STACK}")
        with doing(f"deleting the stack {STACK}"):
            aws.client("cloudformation").delete_stack(StackName=stack.id)
        stack = watch(aws, stack.id, work, began=False).stack
    return stack


def _refuse_foreign(aws: Aws, name: str) -> None:
    if owns_bucket(aws, name):
        raise AwsError(
            f"The bucket {name} exists, but the stack {STACK} that should own it does not.",
            code="BucketAlreadyOwnedByYou",
            remedy=f"Write artifacts: {{bucket: {name}, kms_key: ARN of its key}}, or delete the bucket if it is not needed.",
        )


def _make(aws: Aws, work: Work) -> str:
    """Ask for the stack and return its ARN; one that someone else asked for a moment ago is as good."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    from kubecfn.template.bucket import build_bucket  # noqa: PLC0415  troposphere loads only when it is needed

    work.tell(Kind.STEP, f"Making the bucket for artifacts (stack {STACK})")
    with doing(f"making the stack {STACK}"):
        try:
            made = aws.client("cloudformation").create_stack(
                StackName=STACK,
                TemplateBody=build_bucket().to_json(),
                OnFailure="DELETE",
                EnableTerminationProtection=True,
                Tags=[{"Key": "kubecfn:part", "Value": "artifacts"}],
            )
        except ClientError as error:
            if code_of(error) != "AlreadyExistsException":
                raise
            return read_stack(aws, STACK).id or STACK
    return str(made["StackId"])


def _from(stack: Stack) -> ArtifactBucket | None:
    name, key = stack.outputs.get("Bucket"), stack.outputs.get("KeyArn")
    return ArtifactBucket(name, key) if name and key else None
