"""What went wrong in a cluster lately beside its stack: failed steps of controllers, abandoned hooks, alarms, functions that raised.

Source: CloudWatch Logs API reference, "FilterLogEvents"; Lambda Developer Guide, "Using CloudWatch logs with Lambda"
(an exception is one event that begins with ``[ERROR]``). `told_by` and `lines` are pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kubecfn.care.report import remedy
from kubecfn.care.words import since
from kubecfn.deploy.aws import Aws, code_of, doing
from kubecfn.errors import AwsError

LOOK_BACK = timedelta(hours=24)
NODES = "nodes"
FUNCTIONS = ("controller-lifecycle", "etcd-backup", "etcd-discovery", "worker-lifecycle")
_MOST_NODE_LINES = 5
_MOST_PAGES = 5
_LONGEST = 300
# Any of these words, so that what is read is little; the rest is decided here.
_PATTERN = '?ABANDON ?Error ?ERROR ?"timed out" ?failed ?stale ?alarm'
_ALARM = "alarm"
_LOUD = frozenset({"ABANDON", "failed", "stale", _ALARM})
_RAISED = re.compile(r"(?:\[ERROR\]\s+)?([A-Za-z_][\w.]*(?:Error|Exception|ExceptionGroup))(?::\s*|\s*$)([^\r\n]*)")
_TIMEOUT = re.compile(r"Task timed out after [\d.]+ seconds")


@dataclass(frozen=True)
class Trouble:
    """One thing that went wrong.

    Attributes:
        who: an instance, or a function.
        what: the step, or what the function did.
        at: when it was written.
    """

    who: str
    what: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Lately:
    """What the logs have of it, newest first for each.

    Attributes:
        unread: why a log could not be read, as sentences.
    """

    troubles: tuple[Trouble, ...]
    unread: tuple[str, ...]
    now: datetime

    def lines(self) -> list[str]:
        """Return it as plain lines; none when there is nothing to say."""
        told = [f"  {since(one.at, self.now)} ago {one.who}, {one.what}: {one.reason}" for one in self.troubles]
        return [*(["In the last 24 hours:", *told] if told else []), *self.unread]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        troubles = [{**asdict(one), "at": one.at.isoformat()} for one in self.troubles]
        return {"troubles": troubles, "unread": list(self.unread)}


def lately(aws: Aws, cluster: str, now: datetime, known: Iterable[str] = ()) -> Lately:
    """Return the last failed steps of nodes, and the last trouble of each function.

    Args:
        aws: account and region.
        cluster: its name, under which its logs are.
        now: the end of the day that is looked at.
        known: reasons that were told already.
    """
    told = frozenset(known)
    found: list[Trouble] = []
    unread: list[str] = []
    for last in (NODES, *FUNCTIONS):
        most = _MOST_NODE_LINES if last == NODES else 1
        try:
            events = _events(aws, f"/kubecfn/{cluster}/{last}", now - LOOK_BACK, "" if last == NODES else _PATTERN)
        except AwsError as error:
            unread.append(str(error))
            continue
        troubles = [one for event in events if (one := told_by(last, event)) and one.reason not in told]
        newest = sorted(troubles, key=lambda one: one.at, reverse=True)
        # An alarm is said in every run: it must not hide what else went wrong.
        found += [one for one in newest if one.what != _ALARM][:most]
        found += [one for one in newest if one.what == _ALARM][:1]
    return Lately(tuple(found), tuple(dict.fromkeys(unread)), now)


def waiting(aws: Aws, cluster: str, now: datetime, present: Collection[str]) -> tuple[Trouble, ...]:
    """Return what instances say that only a person can mend: each one's last line, unless it is that it is well again.

    An agent repeats within a day what still holds.

    Args:
        aws: account and region.
        cluster: its name, under which its logs are.
        now: the end of the day that is looked at.
        present: the instances that are not terminated.

    Raises:
        AwsError: the log could not be read.
    """
    last: dict[str, tuple[datetime, Trouble | None]] = {}
    for event in _events(aws, f"/kubecfn/{cluster}/{NODES}", now - LOOK_BACK, ""):
        instance, at = _speaker(str(event["message"])), datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        if instance in present and (instance not in last or last[instance][0] <= at):
            last[instance] = at, told_by(NODES, event)
    return tuple(one for _, (_, one) in sorted(last.items()) if one)


def _speaker(message: str) -> str:
    try:
        return str(json.loads(message)["instance"])
    except (ValueError, KeyError, TypeError):
        return ""


def told_by(last: str, event: Mapping[str, Any]) -> Trouble | None:
    """Return the trouble that one event of a log tells; None for all that is well.

    Args:
        last: the log group's last part: ``nodes``, or a function's name.
        event: as FilterLogEvents gives it: message, timestamp in milliseconds.
    """
    message = str(event["message"]).strip()
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    try:
        data = json.loads(message)
    except ValueError:
        return None if last == NODES else _raised(last, message, at)
    if not isinstance(data, Mapping) or not data.get("reason"):
        return None
    reason = str(data["reason"])[:_LONGEST]
    if last == NODES:
        return Trouble(str(data.get("instance", "?")), f"while {data.get('step', '?')}", reason, at)
    if data.get("decision") not in _LOUD:
        return None
    if data["decision"] == _ALARM:
        what_to_do = remedy(reason)
        return Trouble(last, _ALARM, f"{reason}: {what_to_do}", at) if what_to_do else None
    about = f" {data['instance']}" if data.get("instance") else ""
    return Trouble(last, f"{data['decision']}{about}", reason, at)


def _raised(function: str, message: str, at: datetime) -> Trouble | None:
    if found := _TIMEOUT.search(message):
        return Trouble(function, "did not end", found[0], at)
    if found := _RAISED.match(message):
        return Trouble(function, f"raised {found[1].rsplit('.', 1)[-1]}", found[2].strip()[:_LONGEST] or "no words", at)
    return None


def _events(aws: Aws, group: str, start: datetime, pattern: str) -> list[Mapping[str, Any]]:
    """Return a log group's events, oldest first; "no such group" is nothing, and of very many the first pages are enough."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    wanted = {"logGroupName": group, "startTime": int(start.timestamp() * 1000)}
    if pattern:
        wanted["filterPattern"] = pattern
    found: list[Mapping[str, Any]] = []
    with doing(f"reading the log group {group}"):
        try:
            pages = aws.client("logs").get_paginator("filter_log_events").paginate(**wanted)
            for page, _ in zip(pages, range(_MOST_PAGES), strict=False):
                found += page["events"]
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
    return found
