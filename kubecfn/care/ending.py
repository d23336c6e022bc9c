"""How long the certificate lasts that ends first of all that controllers hold, as their agents told CloudWatch.

Source: Amazon CloudWatch API reference, "GetMetricStatistics".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kubecfn.deploy.aws import Aws, doing

# As the agent publishes it, and below which the template's alarm is raised: whoever asks how it is needs no template.
NAMESPACE, CERTIFICATES = "kubecfn", "CertificateDaysLeft"
LEAST_DAYS = 30
# Each controller tells it every hour: the shortest of these hours is of all that live.
LATELY = timedelta(hours=3)
_PERIOD = 3600


@dataclass(frozen=True)
class Ending:
    """The certificate that ends first, of an authority or below one.

    Attributes:
        days: until it ends, less than none when it has; None when no controller told it lately.
    """

    days: float | None

    @property
    def line(self) -> str:
        """It in one plain line."""
        if self.days is None:
            hours = LATELY // timedelta(hours=1)
            return f"How long certificates last is not known: no controller told it in the last {hours} hours."
        if self.days <= 0:
            return "A CERTIFICATE HAS ENDED: kubecfn why says what hinders its renewal."
        told = f"Certificates: the first ends in {int(self.days)} days"
        if self.days < LEAST_DAYS:
            return f"{told}, AND SHOULD HAVE BEEN RENEWED: kubecfn why says what hinders it; an authority is a person's to replace."
        return f"{told}; they are renewed by themselves."


def first_ending(aws: Aws, cluster: str, now: datetime) -> Ending:
    """Return the end that comes first, as it was told in the last hours.

    Raises:
        AwsError: CloudWatch could not be asked.
    """
    with doing("reading how long certificates last"):
        points = aws.client("cloudwatch").get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=CERTIFICATES,
            Dimensions=[{"Name": "Cluster", "Value": cluster}],
            StartTime=now - LATELY,
            EndTime=now,
            Period=_PERIOD,
            Statistics=["Minimum"],
        )["Datapoints"]
    return Ending(min((float(one["Minimum"]) for one in points), default=None))
