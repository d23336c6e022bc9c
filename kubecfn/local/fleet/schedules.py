"""Schedules of EventBridge rules and of EventBridge Scheduler, fired by the world's clock.

Sources: EventBridge User Guide, "Creating a rule that runs on a schedule" (rate and cron expressions, minute precision);
EventBridge Scheduler User Guide, "Schedule types". Time zones other than UTC and flexible windows are not emulated.
New schedules are found by looking now and then: the first firing may come that much later.
"""

from __future__ import annotations

import calendar
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.local.fleet.agenda import Agenda
from kubecfn.local.fleet.events import Bus, list_rules
from kubecfn.local.fleet.notices import event
from kubecfn.local.fleet.pace import simulated_seconds
from kubecfn.local.world import World

LOG = logging.getLogger("kubecfn.local")
LOOK_EVERY, LOOK_AT_MOST_EVERY_REAL = 20.0, 1.0
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_UNITS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
FARTHEST_YEAR = 2199


@dataclass
class _Timed:
    """One schedule that was found: its expression and when it fires next."""

    expression: str
    due: datetime | None


class Schedules:
    """Finds schedules and fires them.

    Args:
        world: surroundings.
        agenda: wakes it.
        bus: delivers.
        regions: where to look, growing as regions are used.
    """

    def __init__(self, world: World, agenda: Agenda, bus: Bus, regions: set[str]) -> None:
        self._world = world
        self._agenda = agenda
        self._bus = bus
        self._regions = regions
        self._timed: dict[tuple[str, str], _Timed] = {}
        self._agenda.after(0, self._look)

    def _look(self) -> None:
        pause = max(LOOK_EVERY, simulated_seconds(self._world.clock, LOOK_AT_MOST_EVERY_REAL))
        try:
            self._fire()
        finally:
            now = self._world.clock.now()
            waits = [(timed.due - now).total_seconds() for timed in self._timed.values() if timed.due]
            self._agenda.after(max(0.0, min([pause, *waits])), self._look)

    def _fire(self) -> None:
        """Find what is scheduled now and fire what is due."""
        seen: set[tuple[str, str]] = set()
        for region in list(self._regions):
            try:
                found = [*self._rules(region), *self._schedules(region)]
            except (ClientError, BotoCoreError):
                # Not answered is not "there are none": keep what is known until the next look.
                seen |= {key for key in self._timed if key[0] == region}
                continue
            for rule, targets in found:
                key = (region, str(rule["Arn"]))
                seen.add(key)
                self._consider(key, rule, targets)
        self._timed = {key: timed for key, timed in self._timed.items() if key in seen}

    def _consider(self, key: tuple[str, str], rule: Mapping[str, Any], targets: Iterable[Mapping[str, Any]]) -> None:
        """Fire what is due and say when it is due again; a changed expression starts anew."""
        expression, now = str(rule["ScheduleExpression"]), self._world.clock.now()
        timed = self._timed.get(key)
        if timed is None or timed.expression != expression:
            try:
                self._timed[key] = _Timed(expression, next_time(expression, now))
            except ValueError as error:
                LOG.warning("%s never fires: %s", key[1], error)
                self._timed[key] = _Timed(expression, None)
            return
        if timed.due is None or timed.due > now:
            return
        # A look that comes late fires once, not once for every time missed.
        timed.due = next_time(expression, max(timed.due, now - timedelta(seconds=1)))
        for target in targets:
            what = event(self._world, key[0], "aws.events", kind="Scheduled Event", resources=[key[1]], detail={})
            self._bus.send(key[0], rule, target, what)

    def _rules(self, region: str) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        client = self._world.client("events", region)
        rules = [r for r in list_rules(client) if r.get("ScheduleExpression") and r["State"] == "ENABLED"]
        return [(rule, client.list_targets_by_rule(Rule=rule["Name"])["Targets"]) for rule in rules]

    def _schedules(self, region: str) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """EventBridge Scheduler's: it acts as the target's role, so no resource policy is asked."""
        client = self._world.client("scheduler", region)
        found = []
        for short in client.list_schedules()["Schedules"]:
            if short.get("State", "ENABLED") == "ENABLED":
                one = client.get_schedule(Name=short["Name"], GroupName=short.get("GroupName", "default"))
                rule = {"Name": one["Name"], "Arn": one["Arn"], "ScheduleExpression": one["ScheduleExpression"]}
                found.append(({**rule, "AsRole": one["Target"]["RoleArn"]}, [one["Target"]]))
        return found


def next_time(expression: str, after: datetime) -> datetime | None:
    """Return the first instant after `after` at which an expression fires, or None when it never does again.

    Raises:
        ValueError: the expression is none that EventBridge takes.
    """
    if rate := _RATE.fullmatch(expression):
        return after + timedelta(seconds=int(rate[1]) * _UNITS[rate[2]])
    if at := _AT.fullmatch(expression):
        once = datetime.fromisoformat(at[1]).replace(tzinfo=UTC)
        return once if once > after else None
    if not expression.startswith("cron(") or len(fields := expression[5:-1].split()) != 6:  # noqa: PLR2004  cron has six fields
        raise ValueError(f"{expression} is no schedule: rate(5 minutes), cron(0 3 * * ? *) and at(…) are.")
    minutes, hours = _numbers(fields[0], 0, 59), _numbers(fields[1], 0, 23)
    years = _numbers(fields[5], 1970, FARTHEST_YEAR)
    day = after.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while day.year <= max(years):
        if day.year in years and _day_fits(day, fields):
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    if (moment := day.replace(hour=hour, minute=minute)) > after:
                        return moment
        day += timedelta(days=1)
    return None


def _day_fits(day: datetime, fields: list[str]) -> bool:
    if day.month not in _numbers(fields[3], 1, 12, _MONTHS):
        return False
    if fields[2] == "L":
        return day.day == calendar.monthrange(day.year, day.month)[1]
    of_month = fields[2] == "?" or day.day in _numbers(fields[2], 1, 31)
    # EventBridge counts Sunday as 1; isoweekday counts it as 7.
    of_week = fields[4] == "?" or day.isoweekday() % 7 + 1 in _numbers(fields[4], 1, 7, _DAYS)
    return of_month and of_week


def _numbers(text: str, low: int, high: int, names: Mapping[str, int] | None = None) -> set[int]:
    """Return what a cron field stands for: ``*``, ``5``, ``1-5``, ``*/10``, ``MON,WED``."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span in {"*", "?"}:
            first, last = low, high
        else:
            start, _, stop = span.partition("-")
            first = _number(start, names)
            last = _number(stop, names) if stop else (high if step else first)
        found |= set(range(first, last + 1, int(step or 1)))
    return found


def _number(text: str, names: Mapping[str, int] | None) -> int:
    return (names or {}).get(text.upper()) or int(text)
