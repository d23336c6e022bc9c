"""What `kubecfn status` says about etcd, and what it says when nobody can tell."""

import contextlib
import json
import time

import care_cluster as etcd
import pytest

from kubecfn.care.report import parse
from kubecfn.deploy.stacks import Resource
from kubecfn.etcd.store import Stored


def table(out):
    """The members' table as rows of cells by instance, off a terminal."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    return {row[0]: row for row in rows if row[0].startswith("i-")}


def test_status_shows_members_roles_epoch_and_last_backup(cluster):
    """The function's report is shown whole: who is a member, who leads, how far, how large, since when backed up."""
    code, out, err = cluster.run("status")

    assert code == 0, err
    rows = table(out)
    assert {name: row[2] for name, row in rows.items()} == {
        etcd.LEADER: "leader",
        **dict.fromkeys(etcd.FOLLOWERS, "voter"),
    }
    assert rows[etcd.LEADER][1:] == [etcd.LEADER, "leader", "yes", "1234", "3.6.16", "4.0 MiB", "1.0 MiB"]
    assert "etcd is settled: 3 voters, all healthy." in out
    assert f"last backup: 3 min ago, revision 1200, {etcd.KEY}" in out
    assert "epoch 1: found by i-0aaaaaaaaaaaaaaaa at 2026-11-21T09:00:00Z, established" in out
    assert "\x1b" not in out


def test_status_shows_what_is_wrong(cluster):
    """A learner, a member that is on no instance of ours, an alarm and a missing quorum cannot be overlooked."""
    members = [
        etcd.member(etcd.LEADER),
        etcd.member("i-0dddddddddddddddd", learner=True, healthy=False, revision=None, db_size=None, db_in_use=None),
        {**etcd.member("byhand"), "instance": "", "machine": "unknown"},
    ]
    settled = {"say": "wait", "reason": "alarm NOSPACE"}
    cluster.answers(
        etcd.report(members=members, alarms=["NOSPACE i-0bbb"], linearizable=False, settled=settled, backup=None)
    )

    code, out, _ = cluster.run("status")

    assert code == 0
    assert "etcd is not settled: alarm NOSPACE." in out
    assert "ALARM NOSPACE i-0bbb" in out
    assert "quorum: NOT proven" in out
    assert "still joining: i-0dddddddddddddddd" in out
    assert "last backup: NONE" in out
    rows = [line for line in out.splitlines() if "none of ours" in line]
    assert len(rows) == 1
    assert "learner" in table(out)["i-0dddddddddddddddd"]
    assert table(out)["i-0dddddddddddddddd"][4] == "?"


def test_a_program_reads_the_report_as_it_was_told(cluster):
    """--output json has the stack, the groups and, under etcd, every field of the report."""
    code, out, _ = cluster.run("status", "--output", "json")

    told = json.loads(out)
    assert code == 0
    assert set(told) == {"stack", "groups", "etcd"}
    assert told["etcd"]["answered"] is True
    assert {name: told["etcd"][name] for name in etcd.report()} == etcd.report()


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"members": []},
        {"members": "many", "settled": {}},
        {"members": [{}], "settled": {}},
        {"members": [1], "settled": {}},
    ],
)
def test_what_is_no_report_is_not_read_as_an_empty_one(told):
    """An answer that is not understood is silence, never a cluster without members."""
    assert parse(told) is None


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"raise": "the certificate has expired"}, "failed: RuntimeError: the certificate has expired"),
        ({"members": "many"}, "no report that this kubecfn understands"),
    ],
)
def test_when_the_function_cannot_say_the_rest_is_shown_with_one_sentence(cluster, answer, says):
    """A silent function hides neither the stack nor what the bucket knows: epoch and last backup; the exit code is 0."""
    cluster.answers(answer)
    cluster.snapshot(1200)
    cluster.store.create(Stored(3, "i-0a", "restore", established=3, at="2026-11-21T09:00:00Z"))

    code, out, _ = cluster.run("status")

    assert code == 0
    assert "ledger: CREATE_COMPLETE" in out
    assert "Controllers" in out
    assert "How etcd is cannot be said: The function" in out
    assert says in out
    assert "epoch 3: restore by i-0a at 2026-11-21T09:00:00Z, established" in out
    assert f"revision 1200, {etcd.KEY}" in out
    told = json.loads(cluster.run("status", "--output", "json")[1])["etcd"]
    assert (told["answered"], told["members"], told["epoch"]["number"]) == (False, None, 3)


def test_a_function_that_is_not_there_yet_is_said_with_the_remedy(cluster, monkeypatch):
    """A stack of before the function existed: how to get it; never an error."""
    listed = [Resource("BackupBucket", cluster.bucket, "AWS::S3::Bucket", "")]
    monkeypatch.setattr("kubecfn.care.where.resources", lambda _aws, _stack: listed)

    code, out, _ = cluster.run("status")

    assert code == 0
    assert "has no function EtcdBackup" in out
    assert "kubecfn apply" in out
    assert "epoch: none yet" in out


def write(cluster, instance, minutes, **line):
    """Write a node's line, so many minutes ago."""
    logs = cluster.session.client("logs", endpoint_url=cluster.aws.endpoint)
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName="/kubecfn/ledger/nodes")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName="/kubecfn/ledger/nodes", logStreamName=instance)
    event = {
        "timestamp": int((time.time() - 60 * minutes) * 1000),
        "message": json.dumps({"instance": instance, "step": "serve", **line}),
    }
    logs.put_log_events(logGroupName="/kubecfn/ledger/nodes", logStreamName=instance, logEvents=[event])


def test_a_controller_that_waits_for_a_person_is_shown_until_it_is_well_again(cluster):
    """Its last line counts; who has ended waits for nobody; `why` has it too."""
    first, second = cluster.controllers()
    write(cluster, first, 9, reason="a voter that lost its data")
    write(cluster, second, 8, reason="make room")
    write(cluster, second, 5, well=True)
    write(cluster, "i-0eeeeeeeeeeeeeeee", 7, reason="of one that was replaced")

    out = cluster.run("status")[1]
    told = json.loads(cluster.run("status", "--output", "json")[1])["etcd"]["waiting"]
    why = cluster.run("why")[1]

    assert f"{first} WAITS FOR A PERSON, while serve, since 9 min: a voter that lost its data" in out
    assert [one["who"] for one in told] == [first]
    assert f"9 min ago {first}, while serve: a voter that lost its data" in why

    write(cluster, first, 1, well=True)

    assert "WAITS FOR A PERSON" not in cluster.run("status")[1]


def test_a_log_that_cannot_be_read_is_said_and_hides_nothing(cluster):
    """Not to know who waits is not that nobody does."""
    cluster.aws.faults.add(kind="denied", service="logs", operation="FilterLogEvents", times=2)

    code, out, _ = cluster.run("status")
    told = json.loads(cluster.run("status", "--output", "json")[1])["etcd"]

    assert code == 0
    assert "Whether a controller waits for a person cannot be said: While reading the log group" in out
    assert "etcd is settled" in out
    assert told["waiting"] is None


def test_an_alarm_that_is_raised_is_shown_while_it_is(cluster):
    """With its own words, and since when; an alarm that is not raised, or another stack's, is no line."""
    cloudwatch = cluster.session.client("cloudwatch", endpoint_url=cluster.aws.endpoint)
    name = cluster.resources["BackupTooOld"]
    cloudwatch.put_metric_alarm(
        AlarmName="another",
        Namespace="x",
        MetricName="y",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName="another", StateValue="ALARM", StateReason="x")
    assert "ALARM" not in cluster.run("status")[1]

    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="x")
    out = cluster.run("status")[1]
    told = json.loads(cluster.run("status", "--output", "json")[1])["etcd"]["raised"]
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="x")

    assert f"ALARM {name} for " in out
    assert "s: etcd's newest backup is too old." in out
    assert [one["name"] for one in told] == [name]
    assert "ALARM" not in cluster.run("status")[1]


def test_alarms_that_cannot_be_read_are_said_and_hide_nothing(cluster):
    """Not to know is not that all is well."""
    cluster.aws.faults.add(kind="denied", service="cloudwatch", operation="DescribeAlarms", times=2)

    code, out, _ = cluster.run("status")
    told = json.loads(cluster.run("status", "--output", "json")[1])["etcd"]

    assert (code, told["raised"], told["waiting"] is None) == (0, None, False)
    assert "Whether an alarm is raised cannot be said: While reading the cluster's alarms" in out
