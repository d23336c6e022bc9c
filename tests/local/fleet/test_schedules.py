from datetime import UTC, datetime

import pytest

from kubecfn.local.fleet.schedules import next_time

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("expression", "next_instant"),
    [
        ("rate(5 minutes)", "2026-11-21T12:05"),
        ("rate(1 hour)", "2026-11-21T13:00"),
        ("rate(2 days)", "2026-11-23T12:00"),
        ("cron(0 3 * * ? *)", "2026-11-22T03:00"),
        ("cron(0/15 * * * ? *)", "2026-11-21T12:15"),
        ("cron(30 12 * * ? *)", "2026-11-21T12:30"),
        ("cron(0 10 ? * MON-FRI *)", "2026-11-23T10:00"),
        ("cron(0 0 1 1 ? 2027)", "2027-01-01T00:00"),
        ("cron(0 8 L * ? *)", "2026-11-30T08:00"),
        ("cron(0 0 ? * 1 *)", "2026-11-22T00:00"),
        ("at(2026-12-01T00:00:00)", "2026-12-01T00:00"),
    ],
)
def test_an_expression_says_when_it_fires_next(expression, next_instant):
    """rate, cron and at follow EventBridge's syntax; Sunday is day 1 of the week."""
    assert next_time(expression, NOON) == datetime.fromisoformat(next_instant).replace(tzinfo=UTC)


@pytest.mark.parametrize("expression", ["at(2026-01-01T00:00:00)", "cron(0 0 1 1 ? 2025)"])
def test_what_is_past_never_fires(expression):
    """An instant or year that is over has no next time."""
    assert next_time(expression, NOON) is None


@pytest.mark.parametrize("expression", ["rate(5 fortnights)", "cron(0 3 * *)", "every day", ""])
def test_what_is_no_schedule_is_refused(expression):
    """A malformed expression is an error that shows the forms there are."""
    with pytest.raises(ValueError, match="is no schedule"):
        next_time(expression, NOON)
