"""The same requests to ministack 1.5.33, another emulation whose authors measured AWS; where answers differ, who is right and why."""

from __future__ import annotations

import copy
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from kubecfn.local.api import ServiceError

VERSION = "1.5.33"
HOME = Path(__file__).parents[3] / "build" / "ministack"
MISSING = f"ministack {VERSION} is not set up: run make comparison"


def program() -> Path | None:
    """The installed program, None when it has not been set up."""
    found = HOME / "bin" / "ministack"
    return found if found.exists() else None


def start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start it on a free loopback port and wait until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "TMPDIR": str(folder),
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "ERROR",
    }
    with (folder / "ministack.log").open("wb") as log:
        running = subprocess.Popen(
            [HOME / "bin" / "ministack"], env=kept | settings, cwd=folder, stdout=log, stderr=log
        )
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return running, f"http://127.0.0.1:{port}"
        time.sleep(0.05)
    running.kill()
    raise RuntimeError(f"ministack does not answer: {(folder / 'ministack.log').read_text()[-500:]}")


NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
BASE: dict[str, Any] = {
    "Parameters": {"Cidr": {"Type": "String", "Default": "10.0.0.0/16"}, "Text": {"Type": "String", "Default": "a"}},
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Cidr"}, "EnableDnsSupport": True}},
        "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.1.0/24"}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "a"}},
        "Note": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": {"Fn::Sub": "${Text} ${Topic}"}},
        },
    },
}
CHAIN = {
    "Resources": {
        "C": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "B"}}},
        "B": {"Type": "AWS::SNS::Topic", "DependsOn": "A"},
        "A": {"Type": "AWS::S3::Bucket"},
    }
}


def over_the_wire(account_class, client):
    """Ministack behind the same words as the account under test."""

    class Peer(account_class):
        def call(self, operation: str, **params: Any) -> dict[str, Any]:
            """One API call by boto3, errors as our handlers raise them."""
            try:
                return getattr(self.service, xform_name(operation))(**params)
            except ClientError as problem:
                error = problem.response["Error"]
                raise ServiceError(error["Code"], error["Message"]) from problem

    return Peer(client, None, None, {}, {})


@pytest.fixture(scope="module")
def peer(tmp_path_factory, account_class):
    """A running ministack; the tests skip loudly when it was not set up."""
    if program() is None:
        pytest.skip(MISSING)
    running, address = start(tmp_path_factory.mktemp("ministack"))
    client = boto3.client(
        "cloudformation",
        endpoint_url=address,
        region_name="eu-central-1",
        aws_access_key_id="1",
        aws_secret_access_key="x",
    )
    made = over_the_wire(account_class, client)
    made.create("base", BASE)
    yield made
    client.close()
    running.terminate()
    running.wait(10)


def edited(*path: str, to: Any) -> dict[str, Any]:
    """BASE with one value below Resources set; None takes it away."""
    made = copy.deepcopy(BASE)
    node = made["Resources"]
    for key in path[:-1]:
        node = node.setdefault(key, {})
    if to is None:
        del node[path[-1]]
    else:
        node[path[-1]] = to
    return made


def parameters(**values: str) -> dict[str, Any]:
    """Request parameters."""
    return {"Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]}


def seen(account, template: dict[str, Any], params: dict[str, Any]) -> dict[str, str] | str:
    """What a change set says: ``Action Replacement Scope`` of each resource, or why it failed."""
    answer = account.look("base", template, "compare", **params)
    account.call("DeleteChangeSet", ChangeSetName="compare", StackName="base")
    if answer["Status"] == "FAILED":
        return str(answer["StatusReason"])
    rows = [change["ResourceChange"] for change in answer["Changes"]]
    return {
        row["LogicalResourceId"]: " ".join([row["Action"], row.get("Replacement", ""), *row["Scope"]]).strip()
        for row in rows
    }


NEVER, ALWAYS, MAYBE = ("Modify False Properties", "Modify True Properties", "Modify Conditional Properties")
TAGGED = "Modify False Tags"
# name: (template, request, what AWS says, what ministack says where it differs, why AWS says the former)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], Any, Any, str]] = {
    "a property that changes in place": (edited("Topic", "Properties", "DisplayName", to="b"), {}, {"Topic": NEVER}, None, ""),
    "a name": (edited("Topic", "Properties", "TopicName", to="b"), {}, {"Topic": ALWAYS, "Note": NEVER}, None, ""),
    "a parameter": (BASE, parameters(Text="b"), {"Note": NEVER}, None, ""),
    "an added resource": (edited("More", to={"Type": "AWS::SNS::Topic"}), {}, {"More": "Add"}, None, ""),
    "a removed resource": (edited("Note", to=None), {}, {"Note": "Remove"}, None, ""),
    "nothing": (BASE, {}, NO_CHANGES, None, ""),
    "only DependsOn": (edited("Note", "DependsOn", to="Subnet"), {}, NO_CHANGES, None, ""),
    "metadata": (edited("Vpc", "Metadata", to={"a": 1}), {}, {"Vpc": "Modify False Metadata"}, None, ""),
    "a deletion policy": (edited("Vpc", "DeletionPolicy", to="Retain"), {}, {"Vpc": "Modify False DeletionPolicy"}, None, ""),
    "the stack's tags": (
        BASE, {"Tags": [{"Key": "a", "Value": "b"}]}, dict.fromkeys(BASE["Resources"], TAGGED), None, "",
    ),
    "a network's range": (
        BASE, parameters(Cidr="10.9.0.0/16"), {"Vpc": ALWAYS, "Subnet": ALWAYS}, {"Vpc": MAYBE, "Subnet": MAYBE},
        "Template Reference, AWS::EC2::VPC CidrBlock and AWS::EC2::Subnet VpcId: 'Update requires: Replacement'",
    ),
    "a network's DNS": (
        edited("Vpc", "Properties", "EnableDnsSupport", to=False), {}, {"Vpc": NEVER}, {"Vpc": MAYBE, "Subnet": MAYBE},
        "Template Reference, AWS::EC2::VPC EnableDnsSupport: 'Update requires: No interruption'",
    ),
    "a tag in the template": (
        edited("Vpc", "Properties", "Tags", to=[{"Key": "a", "Value": "b"}]), {}, {"Vpc": TAGGED}, {"Vpc": MAYBE, "Subnet": MAYBE},
        "User Guide, Example change sets, 'Directly editing a template': Scope Tags, Replacement False",
    ),
    "only an output": (
        {**BASE, "Outputs": {"O": {"Value": {"Ref": "Topic"}}}}, {}, {}, NO_CHANGES,
        "a new output is a change: tools that share exports deploy it alone; no resource changes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_change_sets_agree_or_aws_documents_ours(account, peer, name):
    """Each kind of change: our answer is AWS's; ministack's is the same, or differs as the table says and why."""
    template, params, documented, other, why = CASES[name]
    account.create("base", BASE)

    assert seen(account, template, params) == documented
    assert seen(peer, template, params) == (documented if other is None else other), why
    assert bool(why) == (other is not None)


def milestones(account, name: str) -> list[str]:
    """Events without what only one of the two writes: the second CREATE_IN_PROGRESS, which AWS writes with the physical id."""
    return list(dict.fromkeys(account.history(name)))


def test_events_come_in_the_same_order(account, peer):
    """Creation and deletion in the order of dependencies."""
    orders = []
    for one in (account, peer):
        stack_id = one.create("chain", CHAIN)["StackId"]
        one.delete("chain")
        orders.append(milestones(one, stack_id))

    assert orders[0] == orders[1]


def test_a_failed_creation_takes_the_same_states(account, peer):
    """A resource that cannot be made: ROLLBACK_IN_PROGRESS, deletions in reverse, ROLLBACK_COMPLETE."""
    template = copy.deepcopy(CHAIN)
    template["Resources"]["D"] = {
        "Type": "AWS::SSM::Parameter", "DependsOn": "C", "Properties": {"Type": "String", "Value": {"Fn::ImportValue": "none"}},
    }  # fmt: skip
    told = []
    for one in (account, peer):
        assert one.create("bad", template)["StackStatus"] == "ROLLBACK_COMPLETE"
        # ministack writes neither the start of the resource that fails nor its disappearance; AWS writes both.
        told.append(
            [line for line in milestones(one, "bad") if line not in {"D CREATE_IN_PROGRESS", "D DELETE_COMPLETE"}]
        )

    assert told[0] == told[1]


ERRORS = [
    ("DescribeStacks", {"StackName": "none"}, "Stack with id none does not exist"),
    ("UpdateStack", {"StackName": "base", "UsePreviousTemplate": True}, "No updates are to be performed."),
    ("DeleteChangeSet", {"StackName": "none", "ChangeSetName": "a"}, "Stack [none] does not exist"),
]


@pytest.mark.parametrize(("operation", "params", "words"), ERRORS)
def test_errors_are_worded_alike(account, peer, operation, params, words):
    """The same code and the same sentence."""
    account.create("base", BASE)
    for one in (account, peer):
        with pytest.raises(ServiceError) as refused:
            one.call(operation, **params)
        assert (refused.value.code, refused.value.message) == ("ValidationError", words)
