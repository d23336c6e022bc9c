"""The scheduled work: is the newest backup fresh and whole, is today's copy made, and how is etcd."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from etcd_access.reach import Reach, must_trust
from etcd_access.span import Invocation

from kubecfn.etcd import store
from kubecfn.etcd.journal import say
from kubecfn.etcd.look import Look, Silence, look
from kubecfn.etcd.report import revision
from kubecfn.etcd.store import Snapshot

from .daily import copy_daily
from .freshness import behind, complaint
from .reading import read_back
from .settings import Settings

NAMESPACE = "kubecfn"
RESERVE = 15.0


class BackupError(Exception):
    """There is no backup that one could rely on; the sentence says what is wrong."""


@dataclass(frozen=True)
class Watch:
    """One scheduled run."""

    reach: Reach
    cloudwatch: Any
    settings: Settings
    span: Invocation

    def run(self) -> dict[str, Any]:
        """Return what was found. The metrics are published whatever else fails.

        Raises:
            ExceptionGroup: everything that is wrong: with the backups, with etcd's certificate, with AWS.
        """
        errors: list[Exception] = []
        at = store.now()
        stored, snapshots = self.reach.store.read(), self.reach.store.snapshots()
        newest = snapshots[0] if snapshots else None
        found = self._look(errors)
        known = revision(found) if found else 0
        self._publish(behind(newest, stored, known, at) if newest else None, found)
        words = complaint(newest, stored, known, at, self.settings.backup_every)
        if words:
            say("stale", words)
            errors.append(BackupError(words))
        result: dict[str, Any] = {"snapshots": len(snapshots)}
        if newest:
            try:
                result |= {"newest": newest.key, **self._keep(newest, at)}
            except Exception as error:  # noqa: BLE001  raised below with what else is wrong
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"etcd's backups need a look: {'; '.join(map(str, errors))}", errors)
        return result

    def _look(self, errors: list[Exception]) -> Look | None:
        try:
            found = look(self.reach.fleet.group(), self.reach.ask, Silence(self.span.monotonic))
            must_trust(found)
        except Exception as error:  # noqa: BLE001  raised at the end: backups are to be checked all the same
            errors.append(error)
            return None
        for alarm in found.cluster.alarms:
            say("alarm", f"etcd raised {alarm}")
        return found

    def _keep(self, newest: Snapshot, at: datetime) -> dict[str, Any]:
        """Read the newest snapshot back, and only then copy it."""
        s3, bucket = self.reach.s3, self.settings.bucket
        size = read_back(s3, bucket, self.settings.cluster, newest, may_go_on=lambda: self.span.left() > RESERVE)
        if size < newest.size:
            say(
                "read-in-part",
                f"{size} of {newest.size} bytes of {newest.key} were read, too few to compare its SHA-256",
            )
        copied = copy_daily(s3, bucket, newest, at.date())
        if copied:
            say("copied", f"the first whole backup of the day is kept as {copied}")
        return {"read": size, "copied": copied}

    def _publish(self, age: float | None, found: Look | None) -> None:
        """Publish; what is not known is not published, which the alarm on the age takes for the worst."""
        values: list[tuple[str, float, str]] = []
        if age is not None:
            values.append(("BackupAgeSeconds", age, "Seconds"))
        if found:
            voters = found.cluster.voters
            values += [
                ("EtcdMembers", len(voters), "Count"),
                ("EtcdHealthy", sum(one.healthy for one in voters), "Count"),
                ("DbSize", max((one.db_size for one in found.statuses.values()), default=0), "Bytes"),
            ]
        dimensions = [{"Name": "Cluster", "Value": self.settings.cluster}]
        data = [
            {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": dimensions} for name, value, unit in values
        ]
        if data:
            self.cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)
