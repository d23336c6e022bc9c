"""What `kubecfn status` says about certificates: the first end that controllers told lately, or that nobody told any."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import care_cluster as etcd
import pytest

from kubecfn.care.ending import Ending, first_ending

# The account's metrics stay for the whole module: every test tells those of a cluster of its own.


def tell(cluster, days, *, name=etcd.CLUSTER, ago=timedelta(minutes=5)):
    """Tell CloudWatch what a controller's agent does."""
    client = cluster.session.client("cloudwatch", endpoint_url=cluster.aws.endpoint)
    datum = {
        "MetricName": "CertificateDaysLeft",
        "Value": days,
        "Unit": "None",
        "Dimensions": [{"Name": "Cluster", "Value": name}],
        "Timestamp": datetime.now(UTC) - ago,
    }
    client.put_metric_data(Namespace="kubecfn", MetricData=[datum])


def test_status_says_that_nobody_told_before_the_first_controller_does(cluster):
    """Clear words and a null, never a number that nobody told; what another cluster told is not taken for it."""
    tell(cluster, 12.0, name="another")

    code, out, _ = cluster.run("status")
    told = json.loads(cluster.run("status", "--output", "json")[1])["etcd"]

    assert code == 0
    assert "How long certificates last is not known: no controller told it in the last 3 hours." in out
    assert told["certificate_days_left"] is None


def test_status_shows_the_certificate_that_ends_first_on_any_controller(cluster):
    """Three controllers tell; the shortest counts, to a person in whole days and to a program as it was told."""
    for days in (275.5, 301.0, 364.9):
        tell(cluster, days)

    code, out, _ = cluster.run("status")
    told = json.loads(cluster.run("status", "--output", "json")[1])["etcd"]

    assert code == 0
    assert "Certificates: the first ends in 275 days; they are renewed by themselves." in out
    assert told["certificate_days_left"] == 275.5


def test_what_was_told_hours_ago_is_not_how_it_is(cluster):
    """Who told it may have renewed since, or may be gone."""
    tell(cluster, 3.0, name="quiet", ago=timedelta(hours=4))
    now = datetime.now(UTC)

    assert first_ending(cluster.connection, "quiet", now) == Ending(None)
    assert first_ending(cluster.connection, "quiet", now - timedelta(hours=2)) == Ending(3.0)


@pytest.mark.parametrize(
    ("days", "says", "not_said"),
    [
        (90.9, "the first ends in 90 days; they are renewed by themselves", "SHOULD"),
        (30.0, "the first ends in 30 days; they are renewed by themselves", "SHOULD"),
        (29.9, "the first ends in 29 days, AND SHOULD HAVE BEEN RENEWED", "by themselves"),
        (0.4, "the first ends in 0 days, AND SHOULD HAVE BEEN RENEWED", "by themselves"),
        (0.0, "A CERTIFICATE HAS ENDED", "by themselves"),
        (-2.0, "A CERTIFICATE HAS ENDED", "by themselves"),
    ],
)
def test_what_should_have_been_renewed_cannot_be_overlooked(days, says, not_said):
    """The alarm's own threshold divides what renews itself from what a person has to look at."""
    line = Ending(days).line

    assert says in line
    assert not_said not in line


def test_metrics_that_cannot_be_read_are_said_and_hide_nothing(cluster):
    """Not to know is not that all is well."""
    cluster.aws.faults.add(kind="denied", service="cloudwatch", operation="GetMetricStatistics", times=2)

    code, out, _ = cluster.run("status")
    told = json.loads(cluster.run("status", "--output", "json")[1])["etcd"]

    assert code == 0
    assert "How long certificates last cannot be said: While reading how long certificates last" in out
    assert "etcd is settled" in out
    assert (told["certificate_days_left"], told["raised"]) == (None, [])
