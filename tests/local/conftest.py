import json
from types import SimpleNamespace

import pytest

from kubecfn.local.embedded import EmbeddedAws

# moto keeps its state per process: one embedded AWS at a time, so never wider than a module.
REGION = "eu-central-1"
TRUST_EC2 = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """A gate in front of moto, without services of ours."""
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), region=REGION, services=()) as aws:
        yield aws


@pytest.fixture
def aws(gate):
    """The gate, unhurt and with nothing recorded."""
    gate.faults.clear()
    gate.recorder.clear()
    yield gate
    gate.faults.clear()


@pytest.fixture
def role(aws):
    """Make a role with one inline policy and return a session of it, as an instance's."""
    made = []

    def make(*statements, name="node", session="i-0123456789abcdef0", tags=()):
        iam = aws.client("iam")
        found = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(TRUST_EC2),
            Tags=[{"Key": k, "Value": v} for k, v in tags],
        )
        made.append(name)
        if statements:
            document = {"Version": "2012-10-17", "Statement": list(statements)}
            iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(document))
        return aws.role_session(found["Role"]["Arn"], session)

    yield make
    iam = aws.client("iam")
    for name in made:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=name)


@pytest.fixture
def impatient(monkeypatch):
    """Botocore repeats at once: its pauses are not what is tested."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
