"""What controllers tell CloudWatch about their certificates is what the template's alarm and `kubecfn status` look at."""

from __future__ import annotations

from controlplane import beside, renewal
from made_templates import made_from

from kubecfn.care import ending
from kubecfn.config import load_text

DAY = 86400.0


def test_the_alarm_and_the_status_watch_the_very_metric_that_controllers_publish():
    """Another name, namespace or dimension would be an alarm about nothing, which is never raised."""
    made = made_from(load_text("name: payments\nregion: eu-central-1\ndns: {private: true, domain: k.example.com}\n"))
    alarm = made.properties("CertificateEndsSoon")
    (datum,) = renewal.metrics("payments", (renewal.Life("ca.crt", 0.0, DAY, ours=False),), 0.0)

    assert (alarm["Namespace"], alarm["MetricName"]) == (beside.NAMESPACE, datum["MetricName"])
    assert alarm["Dimensions"] == datum["Dimensions"]
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == ("Minimum", "LessThanThreshold", 30)
    assert datum["Value"] == 1.0
    assert alarm["Period"] == renewal.EVERY
    assert (beside.NAMESPACE, datum["MetricName"]) == (ending.NAMESPACE, ending.CERTIFICATES)
    assert alarm["Threshold"] == ending.LEAST_DAYS
    assert ending.LATELY.total_seconds() > 2 * renewal.EVERY


def test_what_is_renewed_in_time_raises_no_alarm():
    """A certificate of a year is renewed with three months left, and the alarm begins at one: weeks to look are between."""
    year = renewal.Life("apiserver.crt", 0.0, 365 * DAY, ours=True)
    made = made_from(load_text("name: payments\nregion: eu-central-1\ndns: {private: true, domain: k.example.com}\n"))
    days = made.properties("CertificateEndsSoon")["Threshold"]

    assert year.due(year.ends - (days + 14) * DAY)
    # kubelet: certificates are renewed with a tenth of their life left at the latest (client-go, jitteryDuration).
    assert days < 365 * 0.1
