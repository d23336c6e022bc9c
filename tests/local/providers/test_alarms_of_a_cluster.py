"""Every alarm that a cluster's template holds is one that CloudWatch takes and shows as it was meant."""

from __future__ import annotations

import pytest
from made_templates import made_from

from kubecfn.config import load_text

TOPIC = "arn:aws:sns:eu-central-1:123456789012:operators"
MADE = made_from(
    load_text(
        "name: payments\nregion: eu-central-1\ndns: {private: true, domain: k.example.com}\n"
        f"pools: [{{name: web}}]\nnotifications: {{topic: '{TOPIC}'}}\n"
    )
)
ALARMS = MADE.of_type("CloudWatch::Alarm")


def resolved(value):
    """Return a value with a function's name for each reference to it, and the topic for its parameter."""
    if isinstance(value, list):
        return [resolved(one) for one in value]
    if isinstance(value, dict):
        to = value.get("Ref")
        return (
            {"NotificationTopicArn": TOPIC}.get(to, f"payments-{to}")
            if to
            else {k: resolved(v) for k, v in value.items()}
        )
    return value


@pytest.mark.parametrize("name", ALARMS)
def test_cloudwatch_takes_it_and_watches_what_it_names(stage, name):
    """What watches another metric than it says is an alarm about nothing; each tells the topic, raised and well again."""
    wanted = resolved(ALARMS[name])

    made = stage.make("AWS::CloudWatch::Alarm", **wanted)

    (shown,) = stage.client("cloudwatch").describe_alarms(AlarmNames=[made.physical_id])["MetricAlarms"]
    assert {key: shown[key] for key in wanted} == wanted
    for one in shown["Dimensions"]:
        assert one["Name"] != "FunctionName" or one["Value"].removeprefix("payments-") in MADE.of_type(
            "Lambda::Function"
        )
