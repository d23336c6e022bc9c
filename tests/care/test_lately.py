"""What `kubecfn why` finds beside the stack: failed steps of controllers, abandoned hooks, functions that raised."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from kubecfn.care.trouble import lately, told_by

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def event(message, minutes=5):
    at = NOW - timedelta(minutes=minutes)
    return {"message": message if isinstance(message, str) else json.dumps(message), "timestamp": at.timestamp() * 1000}


NODE = {"instance": "i-0a", "step": "settled", "reason": "voter i-0b is not healthy", "at": "2026-11-21T11:55:00Z"}


@pytest.mark.parametrize(
    ("last", "message", "expected"),
    [
        ("nodes", NODE, ("i-0a", "while settled", "voter i-0b is not healthy")),
        ("nodes", {"instance": "i-0a", "step": "boot"}, None),
        ("nodes", "Error: not ours", None),
        (
            "controller-lifecycle",
            {"decision": "ABANDON", "reason": "only 1 healthy", "instance": "i-0b"},
            ("controller-lifecycle", "ABANDON i-0b", "only 1 healthy"),
        ),
        ("controller-lifecycle", {"decision": "wait", "reason": "an Error that is waited out"}, None),
        (
            "etcd-backup",
            "[ERROR] BackupError: there is no backup\rTraceback (most recent call last):",
            ("etcd-backup", "raised BackupError", "there is no backup"),
        ),
        (
            "etcd-backup",
            "botocore.errorfactory.ThrottlingException: Rate exceeded",
            ("etcd-backup", "raised ThrottlingException", "Rate exceeded"),
        ),
        ("etcd-backup", "ValueError", ("etcd-backup", "raised ValueError", "no words")),
        (
            "etcd-discovery",
            "2026-11-21T11:00:00Z 7f0 Task timed out after 60.01 seconds",
            ("etcd-discovery", "did not end", "Task timed out after 60.01 seconds"),
        ),
        ("etcd-backup", {"decision": "alarm", "reason": "etcd raised no alarm any more"}, None),
        ("etcd-discovery", "Traceback (most recent call last):", None),
        ("etcd-discovery", '  File "handler.py", line 3, in handle: raise ValueError', None),
        ("etcd-discovery", "REPORT RequestId: 1 Duration: 3 ms", None),
    ],
)
def test_only_what_went_wrong_is_told(last, message, expected):
    """Decisions to wait and stack traces are no news; ABANDON, an exception, a time-out and a failed step are."""
    found = told_by(last, event(message))

    assert (found and (found.who, found.what, found.reason)) == expected


class Logs:
    """Log groups by name; one that is missing raises what AWS raises."""

    def __init__(self, **groups):
        self.groups = groups

    def client(self, service):
        """Be the client."""
        assert service == "logs"
        return self

    def get_paginator(self, operation):
        """Be the paginator."""
        assert operation == "filter_log_events"
        return self

    def paginate(self, *, logGroupName, startTime, **_):  # noqa: N803  boto3's own names
        """Give one page; the start is a day ago."""
        assert startTime == int((NOW - timedelta(hours=24)).timestamp() * 1000)
        found = self.groups.get(
            logGroupName.removeprefix("/kubecfn/ledger/").replace("-", "_"), "ResourceNotFoundException"
        )
        if isinstance(found, str):
            raise ClientError({"Error": {"Code": found, "Message": "no"}}, "FilterLogEvents")
        return [{"events": found}]


def test_each_function_tells_its_last_trouble_and_nodes_their_last_five():
    """One screen: the newest of each, with its age; what the stack's own diagnosis told is not told again."""
    nodes = [event({**NODE, "reason": f"reason {number}"}, 60 - number) for number in range(8)]
    raised = [event("KeyError: 'old'", 90), event("KeyError: 'new'", 30), event("fine", 1)]

    found = lately(Logs(nodes=nodes, etcd_backup=raised), "ledger", NOW, known=["reason 7"])

    assert found.lines() == [
        "In the last 24 hours:",
        *(f"  {60 - number} min ago i-0a, while settled: reason {number}" for number in (6, 5, 4, 3, 2)),
        "  30 min ago etcd-backup, raised KeyError: 'new'",
    ]
    assert found.to_json()["troubles"][0]["at"] == (NOW - timedelta(minutes=54)).isoformat()


def test_an_alarm_is_told_with_its_remedy_and_hides_nothing_else():
    """It is said in every run of the function; once is enough, and the last exception is told all the same."""
    alarms = [event({"decision": "alarm", "reason": "etcd raised NOSPACE"}, minutes) for minutes in (11, 6, 1)]

    found = lately(Logs(etcd_backup=[event("KeyError: 'old'", 90), *alarms]), "ledger", NOW)

    assert [(one.what, one.at) for one in found.troubles] == [
        ("raised KeyError", NOW - timedelta(minutes=90)),
        ("alarm", NOW - timedelta(minutes=1)),
    ]
    assert found.troubles[1].reason.startswith("etcd raised NOSPACE: etcd takes no writes")
    assert "run kubecfn defrag, which compacts" in found.troubles[1].reason


def test_no_trouble_is_no_line_and_a_log_that_may_not_be_read_is_one_sentence():
    """A missing log group is nothing; a refused one is said, and hides nothing else."""
    assert lately(Logs(), "ledger", NOW).lines() == []

    found = lately(Logs(nodes="AccessDeniedException", etcd_backup=[event("KeyError: 'x'")]), "ledger", NOW)

    assert len(found.troubles) == 1
    assert len(found.unread) == 1
    assert "/kubecfn/ledger/nodes" in found.unread[0]
