"""EventBridge's default bus and others: events meet the stored rules and go to their targets.

Rules and targets are moto's, read through the API; matching is moto's too. Delivery is ours: to functions (when their
resource policy allows this rule), queues, topics and log groups. A target that cannot be reached is silence, as on AWS;
here it is also written down in `Bus.deliveries`. EventBridge's own retries (24 hours) are not emulated.

Sources: EventBridge User Guide, "Events", "Event targets", "Using resource-based policies", "Input transformation".
"""

from __future__ import annotations

import json
import logging
import random
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.events.models import EventPattern

from kubecfn.local.api import Answer, Call
from kubecfn.local.fleet.agenda import Agenda
from kubecfn.local.fleet.notices import Event, event
from kubecfn.local.world import World

LOG = logging.getLogger("kubecfn.local")
RETRY_AFTER = 10.0
# Region, function ARN, payload: returns at once.
InvokeLater = Callable[[str, str, bytes], None]


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one target.

    Attributes:
        event_id: the event's.
        rule: the rule's name, or the schedule's.
        target: ARN.
        outcome: ``delivered``, ``lost``, or why not.
        at: simulated instant.
    """

    event_id: str
    rule: str
    target: str
    outcome: str
    at: datetime


@dataclass(frozen=True)
class Disturbance:
    """What a test does to deliveries; each a probability from 0 to 1.

    Attributes:
        late: delivered only after `delay` simulated seconds.
        doubled: delivered twice.
        lost: not delivered at all.
        only: detail types it strikes; empty means all.
    """

    late: float = 0.0
    doubled: float = 0.0
    lost: float = 0.0
    delay: float = 60.0
    only: tuple[str, ...] = ()


class Bus:
    """Takes events, matches and delivers them.

    Args:
        world: surroundings.
        agenda: does the work in its own thread.
        invoke_later: hands a payload to a function.
    """

    def __init__(self, world: World, agenda: Agenda, invoke_later: InvokeLater) -> None:
        self._world = world
        self._agenda = agenda
        self._invoke_later = invoke_later
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, str, Event]] = []
        self._disturbance = Disturbance()
        self._random = random.Random(0)  # noqa: S311  repeatable faults, no secret
        self.deliveries: list[Delivery] = []

    def put(self, region: str, what: Event, bus: str = "default") -> None:
        """Take an event; it is matched soon, in another thread."""
        with self._lock:
            self._waiting.append((region, bus, what))
            if len(self._waiting) > 1:
                return
        self._agenda.after(0, self._drain)

    def disturb(self, disturbance: Disturbance, seed: int = 0) -> None:
        """Let deliveries be late, doubled or lost from now on; ``Disturbance()`` ends it."""
        with self._lock:
            self._disturbance, self._random = disturbance, random.Random(seed)  # noqa: S311  as above

    def send(self, region: str, rule: Mapping[str, Any], target: Mapping[str, Any], what: Event) -> None:
        """Deliver an event to one target of a rule, as disturbed as the test wants it."""
        with self._lock:
            wish = (
                self._disturbance
                if not self._disturbance.only or what["detail-type"] in self._disturbance.only
                else Disturbance()
            )
            lost, doubled, late = (self._random.random() < share for share in (wish.lost, wish.doubled, wish.late))
        if lost:
            return self._note(what, rule, target, "lost")
        for _ in range(2 if doubled else 1):
            self._agenda.after(wish.delay if late else 0.0, lambda: self._deliver(region, rule, target, what))
        return None

    def _drain(self) -> None:
        """Match everything that waits. Rules are read after the events came: whatever rule existed then is seen."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        buses: dict[tuple[str, str], list[Event]] = defaultdict(list)
        for region, bus, what in waiting:
            buses[region, bus].append(what)
        for (region, bus), events in buses.items():
            try:
                self._match(region, bus, events)
            except (ClientError, BotoCoreError) as error:
                LOG.warning("rules of %s in %s cannot be read yet: %s", bus, region, error)
                self._agenda.after(RETRY_AFTER, partial(self._again, region, bus, events))

    def _again(self, region: str, bus: str, events: Iterable[Event]) -> None:
        for what in events:
            self.put(region, what, bus)

    def _match(self, region: str, bus: str, events: Iterable[Event]) -> None:
        client = self._world.client("events", region)
        rules = [rule for rule in list_rules(client, bus) if rule.get("EventPattern") and rule["State"] == "ENABLED"]
        targets: dict[str, list[dict[str, Any]]] = {}
        for what in events:
            for rule in rules:
                if not EventPattern(None, json.loads(rule["EventPattern"])).matches_event(what):
                    continue
                if rule["Name"] not in targets:
                    targets[rule["Name"]] = client.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus)["Targets"]
                for target in targets[rule["Name"]]:
                    self.send(region, rule, target, what)

    def _deliver(self, region: str, rule: Mapping[str, Any], target: Mapping[str, Any], what: Event) -> None:
        try:
            outcome = self._hand_over(region, rule, target, what)
        except (ClientError, BotoCoreError) as error:
            outcome = str(error)
        self._note(what, rule, target, outcome)

    def _hand_over(self, region: str, rule: Mapping[str, Any], target: Mapping[str, Any], what: Event) -> str:
        arn, body = str(target["Arn"]), target_input(target, what)
        kind, place = arn.split(":")[2], arn.split(":")[3] or region
        match kind:
            case "lambda":
                if "AsRole" not in rule and not self._may_invoke(place, arn, str(rule["Arn"])):
                    return f"the resource policy of {arn} does not let {rule['Arn']} invoke it"
                self._invoke_later(place, arn, body.encode())
            case "sqs":
                sqs = self._world.client("sqs", place)
                url = sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]
                group = (target.get("SqsParameters") or {}).get("MessageGroupId")
                sqs.send_message(QueueUrl=url, MessageBody=body, **({"MessageGroupId": group} if group else {}))
            case "sns":
                self._world.client("sns", place).publish(TopicArn=arn, Message=body)
            case "logs":
                self._write_log(place, arn.split(":log-group:")[1].removesuffix(":*"), what, body)
            case _:
                return f"targets of {kind} are not emulated"
        return "delivered"

    def _may_invoke(self, region: str, function: str, rule: str) -> bool:
        try:
            policy = json.loads(self._world.client("lambda", region).get_policy(FunctionName=function)["Policy"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return False
            raise
        return any(allows(statement, rule, self._world.account) for statement in policy["Statement"])

    def _write_log(self, region: str, group: str, what: Event, body: str) -> None:
        logs = self._world.client("logs", region)
        stream = what["id"]
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        at = int(self._world.clock.now().timestamp() * 1000)
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": at, "message": body}])

    def _note(self, what: Event, rule: Mapping[str, Any], target: Mapping[str, Any], outcome: str) -> None:
        note = Delivery(what["id"], str(rule["Name"]), str(target["Arn"]), outcome, self._world.clock.now())
        with self._lock:
            self.deliveries.append(note)


def put_events(bus: Bus, world: World, call: Call) -> Answer:
    """PutEvents. An entry without source, detail type or detail is refused alone, the others are taken."""
    entries: list[Answer] = []
    for entry in call.params["Entries"]:
        missing = [name for name in ("Source", "DetailType", "Detail") if not entry.get(name)]
        if missing:
            words = f"Parameter {missing[0]} is not valid. Reason: {missing[0]} is a required argument."
            entries.append({"ErrorCode": "InvalidArgument", "ErrorMessage": words})
            continue
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            entries.append({"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."})
            continue
        what = event(
            world,
            call.region,
            entry["Source"],
            kind=entry["DetailType"],
            resources=list(entry.get("Resources") or []),
            detail=detail,
        )
        bus.put(call.region, what, str(entry.get("EventBusName") or "default").rsplit("/", 1)[-1])
        entries.append({"EventId": what["id"]})
    return {"FailedEntryCount": sum("ErrorCode" in entry for entry in entries), "Entries": entries}


def list_rules(client: Any, bus: str = "default") -> list[dict[str, Any]]:
    """Return all rules of a bus."""
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        page = client.list_rules(EventBusName=bus, **token)
        found += page["Rules"]
        if not page.get("NextToken"):
            return found
        token = {"NextToken": page["NextToken"]}


def target_input(target: Mapping[str, Any], what: Event) -> str:
    """Return what a target is sent: the event, a constant, a part of the event, or a filled-in text."""
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        return json.dumps(_at(what, str(target["InputPath"])))
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(what)
    values = {name: _at(what, path) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values["aws.events.event"] = what

    def fill(match: re.Match[str]) -> str:
        value = values.get(match.group(1), "")
        return value if isinstance(value, str) else json.dumps(value)

    return re.sub(r"<([\w.\-]+)>", fill, str(transformer["InputTemplate"]))


def allows(statement: Mapping[str, Any], rule: str, account: str) -> bool:
    """Whether a statement of a function's resource policy lets EventBridge invoke it for this rule."""
    principal = statement.get("Principal", {})
    services = principal.get("Service", []) if isinstance(principal, dict) else []
    services = [services] if isinstance(services, str) else services
    if statement.get("Effect") != "Allow" or "events.amazonaws.com" not in services:
        return False
    wanted = {"aws:sourcearn": rule, "aws:sourceaccount": account}
    for operator, pairs in (statement.get("Condition") or {}).items():
        for key, patterns in pairs.items():
            value = wanted.get(key.lower())
            listed = [patterns] if isinstance(patterns, str) else patterns
            if value is None or operator not in {"ArnLike", "ArnEquals", "StringEquals", "StringLike"}:
                return False
            if not any(fnmatchcase(value, pattern) for pattern in listed):
                return False
    return True


def _at(what: Any, path: str) -> Any:
    """Follow a simple JSON path: ``$.detail.EC2InstanceId``; what is not there is empty."""
    for name in path.removeprefix("$").strip(".").split("."):
        if name:
            what = what.get(name, "") if isinstance(what, dict) else ""
    return what
