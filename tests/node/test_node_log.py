"""What a node writes for a person: news only, never more than a line a minute, however often the agent starts."""

import json
import threading
import time

import boto3
import pytest
from agent import nodelog
from agent.node import Instance
from agent.nodelog import NodeLog
from agent.patience import Patience
from agent.signals import Stack
from agent.steps import StepFailed
from botocore.exceptions import ClientError

from kubecfn.local.embedded import EmbeddedAws

INSTANCE = Instance(
    region="eu-central-1",
    signal={"StackName": "payments", "LogicalResourceId": "Controllers", "UniqueId": "i-0000000a"},
    log={"logGroupName": "/kubecfn/payments/nodes", "logStreamName": "i-0000000a"},
)
STOP = StepFailed("serve", "i-0000000b is a voter that lost its data")
OTHER = StepFailed("serve", "12 MiB are free")


class Logs:
    """The log service: takes lines, or refuses the next call."""

    def __init__(self):
        self.lines, self.refusal = [], None
        self.exceptions = self
        self.ResourceAlreadyExistsException = FileExistsError

    def create_log_stream(self, **_):
        """Take a stream that is there already."""
        raise FileExistsError

    def put_log_events(self, logEvents, **where):  # noqa: N803  boto3's name
        """Take a line."""
        assert where == INSTANCE.log
        if self.refusal:
            raise self.refusal
        self.lines.append(json.loads(logEvents[0]["message"]))


@pytest.fixture
def logs(monkeypatch):
    """Be what boto3 makes."""
    made = Logs()
    monkeypatch.setattr(nodelog.boto3, "client", lambda *_, **__: made)
    return made


@pytest.fixture
def at(tmp_path, logs):
    """Return what is written by something said at a second; each time by an agent that has only just started."""

    def say(second, what):
        before = len(logs.lines)
        log = NodeLog(tmp_path, INSTANCE, clock=lambda: 1_800_000_000.0 + second)
        log.well() if what == "well" else log.trouble(what)
        return [one.get("reason", "well" if one.get("well") else "") for one in logs.lines[before:]]

    return say


def test_a_reason_is_written_once_until_it_is_another(at, logs):
    """The same again is no news; numbers in it do not make it news, another instance does; half a day later it is again."""
    assert at(0, STOP) == [STOP.reason]
    assert at(61, STOP) == at(7200, STOP) == []
    assert at(7201, OTHER) == ["12 MiB are free"]
    assert at(7300, StepFailed("serve", "11 MiB are free")) == []
    assert at(7400, StepFailed("serve", "i-0000000c is a voter that lost its data")) == [
        "i-0000000c is a voter that lost its data"
    ]
    assert at(7400 + nodelog.AGAIN, StepFailed("serve", "i-0000000c is a voter that lost its data")) != []
    assert set(logs.lines[0]) == {"instance", "step", "reason", "at"}
    assert logs.lines[0]["at"] == "2027-01-15T08:00:00Z"


def test_no_minute_has_two_lines(at):
    """What flaps is told once a minute; what still holds then is not forgotten."""
    told = [at(second, one) for second in range(0, 180, 5) for one in (STOP, OTHER, "well")]

    assert sum(map(len, told)) == 3
    assert at(200, "well") == ["well"]


def test_that_it_is_well_again_is_told_once_and_trouble_after_it_is_news(at):
    """Who reads the last line knows how it is now; what was never unwell says nothing."""
    assert at(0, "well") == []
    assert at(1, STOP) == [STOP.reason]
    assert at(30, "well") == []
    assert at(61, "well") == ["well"]
    assert at(200, "well") == []
    assert at(201, STOP) == [STOP.reason]


def test_a_clock_that_was_set_back_does_not_silence_a_node(at):
    """Ten minutes back is not ten minutes of silence."""
    assert at(600, STOP) != []
    assert at(0, OTHER) != []


def test_what_was_not_taken_is_news_still(at, logs):
    """A refused line counts for nothing."""
    logs.refusal = ClientError({"Error": {"Code": "AccessDenied"}}, "PutLogEvents")
    with pytest.raises(ClientError):
        at(0, STOP)
    logs.refusal = None

    assert at(1, STOP) == [STOP.reason]


def test_a_disk_that_takes_nothing_does_not_make_a_line_of_every_round(tmp_path, logs):
    """A full disk is just what has to be told, and once is enough."""
    (tmp_path / "var").write_text("no folder")
    log = NodeLog(tmp_path, INSTANCE, clock=lambda: 1_800_000_000.0)

    with pytest.raises(OSError, match="var"):
        log.trouble(STOP)
    log.trouble(STOP)
    assert len(logs.lines) == 1

    refused = ClientError({"Error": {"Code": "ValidationError", "Message": "is in CREATE_COMPLETE state"}}, "x")
    logs.signal_resource = lambda **_: (_ for _ in ()).throw(refused)
    with pytest.raises(OSError, match="var"):  # that it signalled is not kept either; but it did signal
        Stack(tmp_path, INSTANCE, Patience(0.1, threading.Event())).fail(STOP)


def test_a_boot_that_fails_again_after_its_signal_is_still_told(tmp_path, logs):
    """The stack is told once in an instance's life; a person is told of each new reason."""
    signals = []
    logs.signal_resource = lambda **about: signals.append(about["Status"])
    for failed in (StepFailed("etcd", "a"), StepFailed("etcd", "a")):
        Stack(tmp_path, INSTANCE, Patience(0.1, threading.Event())).fail(failed)
    stack = Stack(tmp_path, INSTANCE, Patience(0.1, threading.Event()))
    stack.log = NodeLog(tmp_path, INSTANCE, clock=lambda: 4_000_000_000.0)
    stack.fail(StepFailed("etcd", "b"))

    assert [one["reason"] for one in logs.lines] == ["a", "b"]
    assert signals == ["FAILURE"]


def test_the_lines_reach_the_log_group_with_the_nodes_own_two_rights(tmp_path, monkeypatch):
    """Nothing but CreateLogStream and PutLogEvents of its group is asked: what the role of a controller has."""
    with EmbeddedAws(workdir=tmp_path / "aws", region=INSTANCE.region) as aws:
        group = aws.client("logs").create_log_group(logGroupName=INSTANCE.log["logGroupName"])
        assert group
        arn = f"arn:aws:logs:{INSTANCE.region}:{aws.account}:log-group:{INSTANCE.log['logGroupName']}:*"
        allow = [{"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": arn}]
        session = _role(aws, allow)
        monkeypatch.setattr(boto3, "client", session.client)
        NodeLog(tmp_path, INSTANCE, clock=lambda: time.time() - 100).trouble(STOP)
        NodeLog(tmp_path, INSTANCE).well()
        found = aws.client("logs").get_log_events(**INSTANCE.log)["events"]

    assert [json.loads(one["message"]).get("reason") for one in found] == [STOP.reason, None]


def _role(aws, statements):
    iam = aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = {"Version": "2012-10-17", "Statement": [trust]}
    arn = iam.create_role(RoleName="node", AssumeRolePolicyDocument=json.dumps(policy))["Role"]["Arn"]
    rights = json.dumps({**policy, "Statement": statements})
    iam.put_role_policy(RoleName="node", PolicyName="rights", PolicyDocument=rights)
    return aws.role_session(arn, "i-0000000a")
