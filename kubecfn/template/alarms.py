"""What CloudWatch watches when nobody looks: how old the newest backup is, functions that fail, certificates that end."""

from __future__ import annotations

from collections.abc import Sequence

from troposphere import Ref, Template, cloudwatch

from kubecfn.config import Config
from kubecfn.config.types import seconds
from kubecfn.template.parameters import LOGS, add_parameter

NAMESPACE = "kubecfn"
# What each controller's agent tells every hour: how many days its certificate lasts that ends first.
CERTIFICATES = "CertificateDaysLeft"
# Controllers' are renewed in the last quarter of a year, kubelets' with a tenth of it left: what is below was not renewed.
CERTIFICATES_DAYS = 30
_PERIOD, _HOUR = 300, 3600
# The function that publishes comes every five minutes.
_SCHEDULE = 300
_LEAST = 900
_TOPIC_PATTERN = r"arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+"


def oldest_backup(config: Config) -> int:
    """Return the seconds after which the newest backup is too old: three intervals, and the function's own."""
    return max(_LEAST, 3 * seconds(config.backup.every) + _SCHEDULE)


def add_alarms(template: Template, config: Config, functions: Sequence[str], ready: Sequence[str]) -> None:
    """Add the alarms, and the parameter of the topic that they tell when the configuration names one.

    Args:
        template: the stack.
        config: the cluster.
        functions: logical ids.
        ready: logical ids after which there are backups: before, their absence would be an alarm.
    """
    told = [_topic(template, config.notifications.topic)] if config.notifications.topic else []
    template.add_resource(
        cloudwatch.Alarm(
            "BackupTooOld",
            AlarmDescription="etcd's newest backup is too old, or nobody says how old it is: kubecfn status",
            Namespace=NAMESPACE,
            MetricName="BackupAgeSeconds",
            Dimensions=[cloudwatch.MetricDimension(Name="Cluster", Value=config.name)],
            Statistic="Maximum",
            Threshold=oldest_backup(config),
            TreatMissingData="breaching",
            # Schedules drift: a period without a run is none yet.
            DatapointsToAlarm=2,
            DependsOn=list(ready),
            **_when("GreaterThanThreshold", told),
        )
    )
    template.add_resource(
        cloudwatch.Alarm(
            "CertificateEndsSoon",
            AlarmDescription="A controller's certificate, or an authority, ends soon and was not renewed: kubecfn why",
            Namespace=NAMESPACE,
            MetricName=CERTIFICATES,
            Dimensions=[cloudwatch.MetricDimension(Name="Cluster", Value=config.name)],
            Statistic="Minimum",
            Threshold=CERTIFICATES_DAYS,
            # Nothing is told before the first API server is ready, and nobody's certificate ends meanwhile.
            TreatMissingData="notBreaching",
            # One controller's hour is enough: its metric comes once in it, or a minute after.
            DatapointsToAlarm=1,
            **_when("LessThanThreshold", told, period=_HOUR),
        )
    )
    for function in functions:
        template.add_resource(
            cloudwatch.Alarm(
                f"{function}Fails",
                AlarmDescription="It has failed for a quarter of an hour: kubecfn why",
                Namespace="AWS/Lambda",
                MetricName="Errors",
                Dimensions=[cloudwatch.MetricDimension(Name="FunctionName", Value=Ref(function))],
                Statistic="Sum",
                Threshold=0,
                TreatMissingData="notBreaching",
                **_when("GreaterThanThreshold", told),
            )
        )


def _when(compared: str, told: Sequence[Ref], *, period: int = _PERIOD) -> dict[str, object]:
    actions = {"AlarmActions": list(told), "OKActions": list(told)} if told else {}
    return {"ComparisonOperator": compared, "EvaluationPeriods": 3, "Period": period, **actions}


def _topic(template: Template, topic: str) -> Ref:
    return add_parameter(
        template,
        "NotificationTopicArn",
        group=LOGS,
        label="Topic of alarms",
        description="SNS topic that alarms tell. Its policy, and its key's, must let cloudwatch.amazonaws.com in.",
        default=topic,
        AllowedPattern=_TOPIC_PATTERN,
        ConstraintDescription="the ARN of an SNS topic.",
    )
