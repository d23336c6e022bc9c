"""What CloudWatch watches: that backups stay young, that functions do not fail, that certificates do not end."""

from __future__ import annotations

import pytest
from made_templates import ROOT

from kubecfn.config import load_text
from kubecfn.errors import KubecfnError

TOPIC = "arn:aws:sns:eu-central-1:123456789012:operators"


def alarms(made):
    return {name: made.properties(name) for name in made.of_type("CloudWatch::Alarm")}


def test_the_alarm_watches_the_very_metric_that_the_function_publishes(minimal):
    """Another name, namespace or dimension would be an alarm about nothing, which is raised for ever."""
    alarm = alarms(minimal)["BackupTooOld"]
    published = (ROOT / "lambdas/etcd_backup/watch.py").read_text(encoding="utf-8")
    (row,) = [
        row
        for policy in minimal.properties("EtcdBackupRole")["Policies"]
        for row in policy["PolicyDocument"]["Statement"]
        if "cloudwatch:PutMetricData" in row["Action"]
    ]

    assert row["Condition"] == {"StringEquals": {"cloudwatch:namespace": alarm["Namespace"]}}
    assert alarm["Dimensions"] == [
        {"Name": "Cluster", "Value": minimal.properties("EtcdBackup")["Environment"]["Variables"]["CLUSTER"]}
    ]
    assert f'"{alarm["MetricName"]}"' in published
    assert '{"Name": "Cluster", "Value": self.settings.cluster}' in published


def test_silence_about_backups_is_an_alarm_and_a_missed_run_is_none(minimal):
    """Who does not publish any more is broken; one empty period of three is a schedule that drifts."""
    alarm = alarms(minimal)["BackupTooOld"]

    assert (alarm["TreatMissingData"], alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == ("breaching", 2, 3)
    assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Maximum", "GreaterThanThreshold")
    assert minimal.properties("EtcdBackupSchedule")["ScheduleExpression"] == "rate(5 minutes)"
    assert alarm["Period"] == 300
    assert "Controllers" in minimal.resource("BackupTooOld")["DependsOn"]


@pytest.mark.parametrize(("every", "threshold"), [("1m", 900), ("3m", 900), ("5m", 1200), ("1h", 11100)])
def test_a_backup_is_too_old_after_three_intervals_and_the_functions_own(make, every, threshold):
    """The interval is what was configured; never less than a quarter of an hour."""
    assert alarms(make(f"backup: {{every: {every}}}"))["BackupTooOld"]["Threshold"] == threshold


def test_functions_that_fail_three_periods_long_are_an_alarm(minimal):
    """One failure is repeated by the schedule; a function that is not invoked has none."""
    watched = {
        alarm["Dimensions"][0]["Value"]["Ref"]: alarm
        for alarm in alarms(minimal).values()
        if alarm["Namespace"] == "AWS/Lambda"
    }

    assert set(watched) == {"EtcdDiscovery", "ControllerLifecycle", "EtcdBackup", "WorkerLifecycle"}
    assert set(watched) == set(minimal.of_type("Lambda::Function")), "a function that fails unseen"
    for alarm in watched.values():
        assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("Errors", "Sum", 0)
        assert (alarm["TreatMissingData"], alarm["EvaluationPeriods"]) == ("notBreaching", 3)
        assert "DatapointsToAlarm" not in alarm


@pytest.mark.parametrize(("pools", "there"), [("[]", False), ("[{name: web}]", True)])
def test_who_drains_workers_is_watched_where_there_are_any(make, pools, there):
    """An alarm that refers to a function that the stack does not have is a template that CloudFormation refuses."""
    made = make(f"pools: {pools}")

    assert ("WorkerLifecycleFails" in alarms(made)) is there
    assert ("WorkerLifecycle" in made.of_type("Lambda::Function")) is there


def test_silence_about_certificates_is_no_alarm(minimal):
    """A cluster that is only being made has told nothing yet; that it is silent is BackupTooOld's to say."""
    alarm = alarms(minimal)["CertificateEndsSoon"]

    assert (alarm["TreatMissingData"], alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == ("notBreaching", 1, 3)
    # CloudWatch API reference, PutMetricAlarm: not more than a day is looked at.
    assert alarm["EvaluationPeriods"] * alarm["Period"] <= 86400


def test_alarms_tell_the_topic_that_is_configured_and_nobody_without_one(make, minimal):
    """Raised and well again; the topic is a parameter, which a person may change in the console."""
    told = make(f"notifications: {{topic: '{TOPIC}'}}")

    assert told.data["Parameters"]["NotificationTopicArn"]["Default"] == TOPIC
    for alarm in alarms(told).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "NotificationTopicArn"}]
    assert "NotificationTopicArn" not in minimal.data["Parameters"]
    assert not any("AlarmActions" in alarm for alarm in alarms(minimal).values())


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("operators", "is not the ARN of an SNS topic"),
        (f"{TOPIC}.fifo", "not a FIFO one"),
        (TOPIC.replace("eu-central-1", "eu-west-1"), "is not in eu-central-1"),
        (TOPIC.replace("arn:aws:", "arn:aws-cn:"), "is not in eu-central-1"),
    ],
)
def test_a_topic_that_no_alarm_can_tell_is_refused_before_anything_is_sent(topic, says):
    """CloudWatch writes to standard topics of its own region."""
    lines = "name: payments\nregion: eu-central-1\ndns: {private: true, domain: k.example.com}\n"

    with pytest.raises(KubecfnError) as refused:
        load_text(f"{lines}notifications: {{topic: '{topic}'}}\n")

    assert says in str(refused.value)
