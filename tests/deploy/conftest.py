"""What the deploy tests share: an embedded AWS with a small stack's nodes."""

import hashlib
from types import SimpleNamespace

import boto3
import deploy_small_stack as small
import pytest

from kubecfn.deploy.apply import Deployment, apply, plan
from kubecfn.deploy.aws import connect
from kubecfn.deploy.bucket import ArtifactBucket
from kubecfn.deploy.delete import delete
from kubecfn.deploy.upload import Artifact
from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import ACCOUNT, EmbeddedAws
from kubecfn.local.identity import operator_keys

REGION = "eu-central-1"
BUNDLE = b"a bundle"
SHA = hashlib.sha256(BUNDLE).hexdigest()


class Operator:
    """A person at the command line: what was asked, what was answered, what was reported."""

    def __init__(self, embedded, nodes, aws, folder):
        self.embedded, self.nodes, self.aws = embedded, nodes, aws
        self.bundle = folder / "bundle.tar.gz"
        self.bundle.write_bytes(BUNDLE)
        self.answer = True
        self.questions, self.progress = [], []
        self.on_progress = lambda _progress: None

    def ask(self, question):
        """Answer as a person would."""
        self.questions.append(question)
        return self.answer(question) if callable(self.answer) else self.answer

    def report(self, progress):
        """Keep what is reported."""
        self.progress.append(progress)
        self.on_progress(progress)

    def told(self):
        """Every line that was reported."""
        return [progress.text for progress in self.progress]

    def deployment(self, sha=SHA, *, bucket=True, **template):
        """What shall be; `template` are arguments of the small stack."""
        key = f"payments/controller/controller-{SHA}.tar.gz"
        return Deployment(
            stack="payments",
            cluster=small.CLUSTER,
            template=small.template(**template),
            parameters={"ControllerBundleSha256": sha},
            tags={"kubecfn:cluster": small.CLUSTER},
            artifacts=(Artifact(self.bundle, key, SHA),) if bucket else (),
            bucket=self.bucket() if bucket else None,
        )

    def bucket(self):
        """A bucket and key for artifacts, made once."""
        s3 = self.aws.client("s3")
        name = f"artifacts-{self.embedded.account}"
        if name not in {one["Name"] for one in s3.list_buckets()["Buckets"]}:
            where = {"LocationConstraint": REGION}
            s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
            key = self.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "key", "Value": key}]})
        key = s3.get_bucket_tagging(Bucket=name)["TagSet"][0]["Value"]
        return ArtifactBucket(name, key)

    def apply(self, *arguments, deployment=None, **template):
        """Run apply."""
        wanted = deployment or self.deployment(*arguments, **template)
        return apply(
            wanted, self.aws, ask=self.ask, clock=self.embedded.clock, report=self.report, come_back="kubecfn apply x"
        )

    def plan(self, *arguments, deployment=None, **template):
        """Run plan."""
        wanted = deployment or self.deployment(*arguments, **template)
        return plan(wanted, self.aws, clock=self.embedded.clock, report=self.report)

    def delete(self, **options):
        """Run delete."""
        return delete(
            self.aws,
            "payments",
            small.CLUSTER,
            ask=self.ask,
            clock=self.embedded.clock,
            report=self.report,
            **options,
        )

    def stacks(self):
        """Every stack that is not deleted, by name, with its state."""
        pages = self.aws.client("cloudformation").get_paginator("describe_stacks").paginate()
        return {one["StackName"]: one["StackStatus"] for page in pages for one in page["Stacks"]}

    def change_sets(self):
        """Change sets of the stack that could still be executed."""
        listed = self.aws.client("cloudformation").list_change_sets(StackName="payments")["Summaries"]
        return [one["ChangeSetName"] for one in listed if one["ExecutionStatus"] == "AVAILABLE"]


@pytest.fixture(scope="session")
def session():
    """One boto3 session for all modules: it reads the services' models once, which takes longer than the tests."""
    keys = operator_keys(ACCOUNT)
    return boto3.Session(keys.access_key, keys.secret, region_name=REGION)


@pytest.fixture(scope="module")
def images():
    """Whether Amazon's own images are in the account; to lay them out costs 0.2 s for each test's empty one."""
    return False


@pytest.fixture(scope="module")
def embedded(tmp_path_factory, session, images):
    """An embedded AWS, hundreds of times as fast as the clock on the wall, whose instances only signal."""
    nodes = small.Signallers()
    clock = ScaledClock(300)
    folder = tmp_path_factory.mktemp("aws")
    with (
        pytest.MonkeyPatch.context() as environment,
        EmbeddedAws(workdir=folder, region=REGION, clock=clock, machines=nodes) as aws,
    ):
        environment.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", str(images).lower())
        for name, value in aws.environment().items():
            environment.setenv(name, value)
        environment.delenv("AWS_PROFILE", raising=False)
        yield SimpleNamespace(aws=aws, nodes=nodes, connection=connect(REGION, session=session))


@pytest.fixture
def operator(embedded, tmp_path):
    """A person with an empty account."""
    embedded.aws.reset()
    embedded.nodes.verdict = "SUCCESS"
    return Operator(embedded.aws, embedded.nodes, embedded.connection, tmp_path)


@pytest.fixture
def impatient(monkeypatch):
    """Botocore repeats at once: its pauses are not what is tested."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_, **__: True)
