"""Is etcd settled on the controllers' instances, are its backups fresh, does DNS say the same?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubecfn.care.report import Report, backup_line
from kubecfn.care.words import age
from kubecfn.config.types import seconds
from kubecfn.deploy.aws import doing
from kubecfn.errors import KubecfnError
from kubecfn.etcd import names
from kubecfn.smoke.check import Found, found
from kubecfn.smoke.subject import CONTROLLERS, Subject

# A backup may be as old as its schedule, and as long again as it takes to notice that one failed.
_LATE = 3


def members(subject: Subject) -> Found:
    """A quorum answers; the members are the controllers in service, healthy voters all, and no alarm is raised."""
    report = _report(subject)
    wanted = set(subject.in_service.get(CONTROLLERS, {}))
    there = {one.instance or one.name or one.id for one in report.members}
    problems = [
        *([] if report.linearizable else ["no linearizable read succeeded: there may be no quorum"]),
        *(f"{one} is in service and no member" for one in sorted(wanted - there)),
        *(f"{one} is a member and not in service" for one in sorted(there - wanted)),
        *(f"{one.name or one.id} is not healthy" for one in report.members if not one.healthy),
        *(f"{one.name or one.id} does not vote yet" for one in report.members if one.learner),
        *(f"ALARM {alarm}" for alarm in report.alarms),
    ]
    if not problems and not report.settled:
        problems.append(report.reason)
    return found(problems, f"{len(report.voters)} voters, all healthy, revision {report.revision}")


def backups(subject: Subject) -> Found:
    """The newest backup is young, or nothing was written since."""
    report = _report(subject)
    told = report.backup.get("age_seconds")
    if not report.backup or not isinstance(told, int | float):
        return found([backup_line(report.backup)], "")
    every = seconds(subject.config.backup.every)
    behind = (report.revision or 0) > int(report.backup.get("revision") or 0)
    problems = []
    if told > _LATE * every and behind:
        problems.append(
            f"the newest is {age(told)} old and behind revision {report.revision}; one is due every {every} s"
        )
    return found(problems, backup_line(report.backup))


def records(subject: Subject) -> Found:
    """The zone's SRV records are the controllers in service: what a new controller asks whom it may ask."""
    host = {one: names.controller(one, subject.domain) for one in subject.in_service.get(CONTROLLERS, {})}
    srv = {
        names.server_service(subject.domain): {names.srv_value(names.PEER_PORT, one) for one in host.values()},
        names.client_service(subject.domain): {names.srv_value(names.CLIENT_PORT, one) for one in host.values()},
    }
    there = _zone(subject, set(srv))
    problems = [trouble for name, wanted in srv.items() for trouble in _differ(name, wanted, there.get(name, set()))]
    return found(problems, f"SRV records name {len(host)} controllers")


def _differ(name: str, wanted: set[str], there: set[str]) -> Iterator[str]:
    def hosts(values: set[str]) -> str:
        return ", ".join(sorted(value.split()[-1].split(".")[0] for value in values))

    if wanted - there:
        yield f"{name} lacks {hosts(wanted - there)}"
    if there - wanted:
        yield f"{name} still names {hosts(there - wanted)}"


def _zone(subject: Subject, wanted: set[str]) -> dict[str, set[str]]:
    """Return the values of those of the zone's SRV records that are wanted, by name."""
    _, zone = subject.physical.get("Zone", ("", ""))
    if not zone:
        raise KubecfnError("The stack has no hosted zone.", remedy="kubecfn why says what became of it.")
    with doing("reading the cluster's zone"):
        pages = subject.aws.client("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
        told: list[dict[str, Any]] = [one for page in pages for one in page["ResourceRecordSets"]]
    return {
        one["Name"].rstrip("."): {value["Value"] for value in one["ResourceRecords"]}
        for one in told
        if one["Type"] == "SRV" and one["Name"].rstrip(".") in wanted
    }


def _report(subject: Subject) -> Report:
    report = subject.etcd.report
    if report is None:
        raise KubecfnError(f"How etcd is cannot be said: {subject.etcd.silence}")
    return report
