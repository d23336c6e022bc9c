from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from kubecfn.deploy.follow import watch
from kubecfn.deploy.progress import Work, silent
from kubecfn.deploy.stacks import STACK_TYPE, Event, Stack
from kubecfn.deploy.states import State
from kubecfn.deploy.templates import parse
from kubecfn.deploy.track import Track, observed_boot
from kubecfn.deploy.why import NodeLine, diagnose
from kubecfn.errors import AwsError

GROUP = "AWS::AutoScaling::AutoScalingGroup"
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def history(*rows):
    """Events oldest first, a minute apart, from (logical id, type, status, reason)."""
    return [
        Event(str(n), START + timedelta(minutes=n), name, name, kind, status, reason, "", kind == STACK_TYPE)
        for n, (name, kind, status, reason) in enumerate(rows)
    ]


FAILED = history(
    ("payments", STACK_TYPE, "UPDATE_COMPLETE", ""),
    ("payments", STACK_TYPE, "UPDATE_IN_PROGRESS", "User Initiated"),
    ("Controllers", GROUP, "UPDATE_IN_PROGRESS", "Received FAILURE signal with UniqueId i-1"),
    ("Controllers", GROUP, "UPDATE_FAILED", "Received 1 FAILURE signal(s) out of 3. Unable to satisfy 100% MinSuccessfulInstancesPercent requirement"),
    ("PoolGeneral", GROUP, "UPDATE_FAILED", "Resource update cancelled"),
    ("payments", STACK_TYPE, "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Controllers, PoolGeneral]."),
    ("payments", STACK_TYPE, "UPDATE_ROLLBACK_COMPLETE", ""),
)  # fmt: skip


def test_the_first_failure_is_the_reason_not_the_cascade():
    """What was cancelled because something else failed is counted, not blamed."""
    diagnosis = diagnose("payments", State.UPDATE_ROLLBACK_COMPLETE, FAILED[::-1])

    assert diagnosis.resource == "Controllers"
    assert diagnosis.instances == ("i-1",)
    assert diagnosis.cascade == 1


def test_a_cancelled_resource_that_is_older_than_the_cause_is_still_no_cause():
    """Events of one second come in any order."""
    shuffled = [*FAILED[:3], FAILED[4], FAILED[3], *FAILED[5:]]

    assert diagnose("payments", State.UPDATE_ROLLBACK_COMPLETE, shuffled[::-1]).resource == "Controllers"


def test_only_the_node_that_failed_is_heard():
    """Other nodes' old lines are not this failure's reason."""
    nodes = [NodeLine("i-0", "old", "something else"), NodeLine("i-1", "joining etcd", "no quorum")]

    diagnosis = diagnose("payments", State.UPDATE_ROLLBACK_COMPLETE, FAILED[::-1], nodes)

    assert diagnosis.nodes == (nodes[1],)
    assert "  i-1, while joining etcd: no quorum" in diagnosis.lines()


def test_the_console_speaks_only_for_a_silent_node():
    """A node's own words are better than its console, which is better than nothing."""
    said = [NodeLine("i-1", "x", "y")]

    assert diagnose("p", State.UPDATE_ROLLBACK_COMPLETE, FAILED[::-1], said, ["panic"]).console == ()
    assert diagnose("p", State.UPDATE_ROLLBACK_COMPLETE, FAILED[::-1], [], ["panic"]).console == ("panic",)


def test_failures_of_earlier_operations_are_forgotten():
    """A stack that has recovered since has nothing to explain."""
    later = history(
        *[(e.logical_id, e.type, e.status, e.reason) for e in FAILED],
        ("payments", STACK_TYPE, "UPDATE_IN_PROGRESS", "User Initiated"),
        ("payments", STACK_TYPE, "UPDATE_COMPLETE", ""),
    )

    diagnosis = diagnose("payments", State.UPDATE_COMPLETE, later[::-1])

    assert diagnosis.resource == ""
    assert diagnosis.lines() == ["payments is UPDATE_COMPLETE; nothing failed in its last operation."]


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("User: x is not authorized to perform: iam:CreateRole (HandlerErrorCode: AccessDenied)", "permission"),
        ("The maximum number of VPCs has been reached. (HandlerErrorCode: ServiceLimitExceeded)", "Service Quotas"),
        ("payments-backups already exists", "Remove or rename"),
        ("subnet-1 has dependencies and cannot be deleted. (DependencyViolation)", "kubecfn delete"),
        ("Action denied by stack policy: Statement [#1] denies [Update:*]", "stack policy"),
        ("Something nobody has seen before", "Mend what is named"),
    ],
)  # fmt: skip
def test_every_reason_leads_to_a_next_step(reason, remedy):
    """A diagnosis without something to do is half a diagnosis."""
    events = history(
        ("payments", STACK_TYPE, "CREATE_IN_PROGRESS", "User Initiated"),
        ("Vpc", "AWS::EC2::VPC", "CREATE_FAILED", reason),
        ("payments", STACK_TYPE, "ROLLBACK_COMPLETE", ""),
    )

    assert remedy in diagnose("payments", State.ROLLBACK_COMPLETE, events[::-1]).next_step


@pytest.mark.parametrize(
    ("state", "command"), [(State.UPDATE_ROLLBACK_FAILED, "kubecfn apply"), (State.DELETE_FAILED, "kubecfn delete")]
)
def test_a_stuck_state_leads_to_the_command_that_frees_it(state, command):
    """Stuck states have one way out each."""
    assert command in diagnose("payments", state, FAILED[::-1]).next_step


def test_a_stack_that_failed_as_a_whole_is_told_by_its_own_event():
    """A cancelled update has no failed resource: the stack's own words stand."""
    events = history(
        ("payments", STACK_TYPE, "UPDATE_IN_PROGRESS", "User Initiated"),
        ("payments", STACK_TYPE, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated cancel"),
        ("payments", STACK_TYPE, "UPDATE_ROLLBACK_COMPLETE", ""),
    )

    assert diagnose("payments", State.UPDATE_ROLLBACK_COMPLETE, events[::-1]).resource == "payments"


def seen(*rows, **options):
    track = Track(**options)
    return track, [track.see(event) for event in history(*rows)]


def test_resources_are_counted_once_and_uncounted_when_they_change_again():
    """Done of total never exceeds the total, and a resource in work is not done."""
    _, progress = seen(
        ("Vpc", "AWS::EC2::VPC", "CREATE_IN_PROGRESS", ""),
        ("Vpc", "AWS::EC2::VPC", "CREATE_COMPLETE", ""),
        ("Vpc", "AWS::EC2::VPC", "DELETE_IN_PROGRESS", ""),
        ("Vpc", "AWS::EC2::VPC", "DELETE_COMPLETE", ""),
        total=2,
    )

    assert [(one.done, one.total) for one in progress] == [(0, 2), (1, 2), (0, 2), (1, 2)]


def test_signals_are_counted_by_instance_of_those_needed():
    """A signal sent twice is one; a roll announces how many it needs."""
    track, progress = seen(
        ("Controllers", GROUP, "UPDATE_IN_PROGRESS", "Rolling update initiated. Terminating 3 obsolete instance(s) in batches of 1, while keeping at least 3 instance(s) in service."),
        ("Controllers", GROUP, "UPDATE_IN_PROGRESS", "Received SUCCESS signal with UniqueId i-1"),
        ("Controllers", GROUP, "UPDATE_IN_PROGRESS", "Received SUCCESS signal with UniqueId i-1"),
        ("Controllers", GROUP, "UPDATE_IN_PROGRESS", "Received FAILURE signal with UniqueId i-2"),
    )  # fmt: skip

    assert [(one.done, one.total) for one in progress[1:]] == [(1, 3), (1, 3), (1, 3)]
    assert progress[-1].text.endswith("(1 of 3 received, 1 failed)")
    assert track.waiting_for() == ["Controllers: 1 of 3 signals"]


def test_a_boot_is_measured_from_launch_to_signal():
    """The slowest one counts; without a signal there is nothing to measure."""
    events = history(
        ("Controllers", GROUP, "UPDATE_IN_PROGRESS", "New instance(s) added to autoscaling group - Waiting on 1 resource signal(s) with a timeout of PT15M."),
        ("Other", GROUP, "UPDATE_IN_PROGRESS", ""),
        ("Controllers", GROUP, "UPDATE_IN_PROGRESS", "Received SUCCESS signal with UniqueId i-1"),
    )  # fmt: skip

    assert observed_boot(events) == 120
    assert observed_boot(events[:2]) is None


class Steps:
    """A clock that does not wait; only what is counted moves it."""

    def __init__(self):
        self.time = 0.0

    def now(self):
        """The counted instant."""
        return START + timedelta(seconds=self.time)

    def monotonic(self):
        """The counted seconds."""
        return self.time

    def sleep(self, seconds):
        """Count them."""
        self.time += seconds


def scripted(monkeypatch, *states):
    """CloudFormation answers one state after the other; the last one for ever."""
    left = list(states)

    def read(_aws, name):
        state = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(state, Exception):
            raise state
        return Stack("payments", state, id=f"arn:aws:cloudformation:x:1:stack/{name}/1")

    monkeypatch.setattr("kubecfn.deploy.follow.read_stack", read)
    monkeypatch.setattr("kubecfn.deploy.follow.events", lambda _aws, _name: iter(()))
    monkeypatch.setattr("kubecfn.deploy.follow.template_of", lambda _aws, _name: {})
    return left


def test_a_state_at_rest_is_not_the_end_of_what_has_not_begun(monkeypatch):
    """AWS answers from before the execution for a moment: then the old state is no result."""
    scripted(
        monkeypatch,
        State.CREATE_COMPLETE,
        State.CREATE_COMPLETE,
        State.UPDATE_IN_PROGRESS,
        State.UPDATE_ROLLBACK_COMPLETE,
    )

    followed = watch(None, "payments", Work(Steps(), silent, ""), began=False)

    assert not followed.well
    assert followed.stack.state is State.UPDATE_ROLLBACK_COMPLETE


def test_an_operation_that_never_shows_is_not_waited_for_for_ever(monkeypatch):
    """After a minute and a half the state at rest is believed."""
    clock = Steps()
    scripted(monkeypatch, State.CREATE_COMPLETE)

    assert watch(None, "payments", Work(clock, silent, ""), began=False).well
    assert 90 < clock.time < 120


def passing():
    answer = {"Error": {"Code": "Throttling", "Message": "Rate exceeded"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    error = AwsError("While reading: too many requests.", code="Throttling")
    error.__cause__ = ClientError(answer, "DescribeStacks")
    return error


def test_watching_survives_what_passes_and_gives_up_on_what_stays(monkeypatch):
    """Throttling ends by itself; after ten minutes of it we stop watching, and the stack goes on."""
    scripted(monkeypatch, State.UPDATE_IN_PROGRESS, passing(), passing(), State.UPDATE_COMPLETE)
    assert watch(None, "payments", Work(Steps(), silent, "")).well

    clock = Steps()
    scripted(monkeypatch, State.UPDATE_IN_PROGRESS, passing())
    with pytest.raises(AwsError, match="The stack goes on without us"):
        watch(None, "payments", Work(clock, silent, "kubecfn apply"))
    assert clock.time > 600


@pytest.mark.parametrize(
    "body",
    [
        '{"Resources": {"A": {"Value": {"Fn::GetAtt": ["B", "C"]}, "Date": "2012-10-17"}}}',
        "Resources: {A: {Value: !GetAtt B.C, Date: 2012-10-17}}",
        "Resources:\n  A:\n    Value: !GetAtt [B, C]\n    Date: 2012-10-17\n",
        {"Resources": {"A": {"Value": {"Fn::GetAtt": ["B", "C"]}, "Date": "2012-10-17"}}},
    ],
)
def test_a_template_reads_the_same_however_it_is_written(body):
    """JSON, YAML with short forms, or what boto3 already parsed."""
    assert parse(body) == {"Resources": {"A": {"Value": {"Fn::GetAtt": ["B", "C"]}, "Date": "2012-10-17"}}}
