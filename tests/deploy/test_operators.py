"""People: two of them at once, one who presses Ctrl-C, and stacks that somebody left in an odd state."""

import json
import threading

import deploy_small_stack as small
import pytest

from kubecfn.deploy import changeset
from kubecfn.deploy.follow import follow
from kubecfn.deploy.progress import Kind, Progress, silent
from kubecfn.deploy.stacks import last_event_at, read_stack
from kubecfn.deploy.states import State
from kubecfn.deploy.stopping import DetachedError, StoppedError
from kubecfn.errors import DeclinedError, KubecfnError, StackError

NEW, NEWER = "c" * 64, "d" * 64


def when(operator, text, act):
    """Let something happen at the moment a line is reported."""

    def look(progress: Progress):
        if text in progress.text:
            operator.on_progress = silent
            act()

    operator.on_progress = look


def interrupt():
    raise KeyboardInterrupt


def test_a_change_set_made_stale_by_someone_else_is_not_executed(operator):
    """Between the plan that was shown and the yes, someone else changed the stack: plan again."""
    operator.apply(groups=0)
    other = operator.deployment(groups=0, retention=7)

    def meanwhile(_question):
        operator.answer = True
        operator.apply(deployment=other)
        return True

    operator.answer = meanwhile
    with pytest.raises(StackError, match="was changed by someone else") as raised:
        operator.apply(groups=0, retention=14)

    assert raised.value.remedy == "Plan again."
    assert raised.value.exit_code == 1
    assert operator.change_sets() == []


def test_two_operators_at_once_second_is_told_who_and_how_to_follow(operator):
    """While one change runs, a plan is refused with since when, whose token, and how to follow."""
    operator.nodes.verdict = None
    when(operator, "CloudFormation works on", interrupt)
    with pytest.raises(DetachedError):
        operator.apply(timeout="PT1M")

    with pytest.raises(StackError, match="Another operation runs on the stack payments") as raised:
        operator.plan()

    assert "CREATE_IN_PROGRESS since " in raised.value.message
    assert "token kubecfn-operator-" in raised.value.message
    assert "kubecfn apply, which follows it" in raised.value.remedy


def test_an_operator_who_is_late_by_a_moment_is_told_too(operator):
    """The other one's change begins between our look and our change set."""
    operator.apply(groups=0)
    before = read_stack(operator.aws, "payments")
    client = operator.aws.client("cloudformation")
    operator.nodes.verdict = None
    client.update_stack(
        StackName="payments",
        TemplateBody=small.template(),
        Parameters=[{"ParameterKey": "ControllerBundleSha256", "ParameterValue": NEW}],
    )
    wanted = operator.deployment(groups=0, retention=7)
    request = changeset.Request("payments", {"TemplateBody": wanted.template}, wanted.parameters, wanted.tags)

    with pytest.raises(StackError, match="Another operation runs"):
        changeset.create(operator.aws, request, before, clock=operator.embedded.clock, report=silent)

    client.cancel_update_stack(StackName="payments")


@pytest.mark.parametrize("moment", ["bundle.tar.gz", "Asking CloudFormation"])
def test_ctrl_c_before_the_question_changes_nothing(operator, moment):
    """While uploading or planning: nothing of the stack is there afterwards."""
    when(operator, moment, interrupt)

    with pytest.raises(StoppedError, match="nothing was changed") as raised:
        operator.apply(groups=0)

    assert raised.value.exit_code == 1
    assert operator.stacks() == {}


def test_ctrl_c_at_the_question_takes_the_change_set_back(operator):
    """Ctrl-C is a no: the change set and the empty stack go."""
    operator.answer = lambda _question: interrupt()

    with pytest.raises(StoppedError):
        operator.apply(groups=0)

    assert operator.stacks() == {}


def test_ctrl_c_during_a_plan_leaves_nothing_behind(operator):
    """The plan's own change set goes too."""
    when(operator, "Asking CloudFormation", interrupt)

    with pytest.raises(StoppedError):
        operator.plan(groups=0, bucket=False)

    assert operator.stacks() == {}


def test_ctrl_c_while_watching_leaves_the_stack_going_and_a_second_apply_picks_it_up(operator):
    """Detaching never cancels: the error tells the way back, and apply follows to the end before it plans."""
    when(operator, "Vpc: create in progress", interrupt)

    with pytest.raises(DetachedError) as raised:
        operator.apply(size=2)

    assert raised.value.remedy == "Come back with: kubecfn apply x"
    assert "the stack is being created" in raised.value.message
    outcome = operator.apply(size=2)
    assert (outcome.state, outcome.changed) == (State.CREATE_COMPLETE, False)
    assert operator.stacks() == {"payments": "CREATE_COMPLETE"}


def test_ctrl_c_while_deleting_leaves_the_deletion_going_and_a_second_delete_picks_it_up(operator):
    """A deletion under way is followed, not asked for again."""
    operator.apply()
    when(operator, "Controllers: delete in progress", interrupt)

    with pytest.raises(DetachedError):
        operator.delete()
    operator.questions.clear()
    deleted = operator.delete()

    assert deleted.clean
    assert operator.questions == []


def test_following_from_another_terminal_sees_the_whole_operation(operator):
    """Whoever comes later sees the operation from its beginning and its end."""
    operator.apply(groups=0)
    lines = []

    followed = follow(operator.aws, "payments", clock=operator.embedded.clock, report=lines.append)

    assert followed.well
    assert lines[0].text == "payments: review in progress" or lines[0].text == "payments: create in progress"
    assert lines[-1].text == "payments: create complete"


def test_following_since_an_instant_shows_only_what_came_after(operator):
    """A terminal that was lost shows again only what it missed."""
    operator.apply(groups=0)
    lines = []

    follow(
        operator.aws,
        "payments",
        since=last_event_at(operator.aws, "payments"),
        clock=operator.embedded.clock,
        report=lines.append,
    )

    assert lines == []


def test_an_apply_that_meets_a_failing_operation_tells_its_failure(operator):
    """Picking up where it is means telling how it ended, not silently trying again."""
    operator.nodes.verdict = "FAILURE"
    when(operator, "Vpc: create in progress", interrupt)
    with pytest.raises(DetachedError):
        operator.apply()

    with pytest.raises(StackError, match="ended in ROLLBACK_COMPLETE"):
        operator.apply()


def test_an_empty_stack_under_review_is_taken_on(operator):
    """REVIEW_IN_PROGRESS is where someone's first plan stopped: the next apply creates it."""
    operator.aws.client("cloudformation").create_change_set(
        StackName="payments",
        ChangeSetName="forgotten",
        ChangeSetType="CREATE",
        TemplateBody=small.template(groups=0),
        Parameters=[{"ParameterKey": "ControllerBundleSha256", "ParameterValue": NEW}],
    )

    assert operator.apply(groups=0).state is State.CREATE_COMPLETE


def test_an_empty_stack_under_review_can_be_deleted(operator):
    """Nothing is in it, so nothing is left of it."""
    test_an_empty_stack_under_review = operator.aws.client("cloudformation")
    test_an_empty_stack_under_review.create_change_set(
        StackName="payments",
        ChangeSetName="forgotten",
        ChangeSetType="CREATE",
        TemplateBody=small.template(groups=0),
        Parameters=[{"ParameterKey": "ControllerBundleSha256", "ParameterValue": NEW}],
    )

    assert operator.delete().clean
    assert operator.stacks() == {}


@pytest.fixture
def stuck(operator):
    """A stack whose rollback failed: the security group it goes back to is refused."""
    operator.apply(groups=0)
    faults = operator.embedded.faults
    bad = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "not/a/name"}}
    faults.add(
        kind="error",
        service="logs",
        operation="PutRetentionPolicy",
        times=10**6,
        internal=True,
        code="AccessDeniedException",
        status=400,
    )
    with pytest.raises(StackError):
        operator.apply(groups=0, retention=7, extra={"Bad": bad})
    return operator


def test_a_rollback_that_failed_is_continued_when_a_person_agrees(stuck):
    """UPDATE_ROLLBACK_FAILED: apply offers to continue, then goes on with the update."""
    if stuck.stacks()["payments"] != "UPDATE_ROLLBACK_FAILED":
        pytest.fail(f"the preparation ended in {stuck.stacks()}")
    stuck.embedded.faults.clear()
    stuck.questions.clear()

    outcome = stuck.apply(groups=0, retention=14)

    assert [question.kind for question in stuck.questions] == ["continue-rollback", "change"]
    assert outcome.state is State.UPDATE_COMPLETE


def test_a_rollback_that_fails_again_can_go_on_without_what_blocks(stuck):
    """The second question names the resources that are skipped; skipping them ends the rollback."""
    stuck.questions.clear()
    stuck.answer = lambda question: question.kind != "change"

    with pytest.raises(DeclinedError):
        stuck.apply(groups=0, retention=14)

    kinds = [question.kind for question in stuck.questions]
    assert kinds[:2] == ["continue-rollback", "continue-rollback"]
    assert "without NodeLogGroup" in stuck.questions[1].text
    assert stuck.stacks() == {"payments": "UPDATE_ROLLBACK_COMPLETE"}


def test_a_rollback_that_failed_stays_when_a_person_declines(stuck):
    """The twin: without a yes nothing is continued."""
    stuck.answer = False

    with pytest.raises(DeclinedError, match="stays in UPDATE_ROLLBACK_FAILED"):
        stuck.apply(groups=0, retention=14)


def keep_log_groups(operator):
    """Let no log group be deleted: something that nobody of ours can clear."""
    operator.embedded.faults.add(
        kind="error",
        service="logs",
        operation="DeleteLogGroup",
        times=10**6,
        internal=True,
        code="AccessDeniedException",
        status=400,
    )


def test_a_deletion_that_is_blocked_for_good_says_by_what(operator):
    """What nobody can clear is named with AWS's own reason, and the stack waits for a second try."""
    operator.apply(groups=0)
    keep_log_groups(operator)

    with pytest.raises(StackError, match="NodeLogGroup would not go") as raised:
        operator.delete()

    assert "--skip-blocked" in raised.value.remedy
    operator.embedded.faults.clear()
    assert operator.delete().clean


def test_what_blocks_can_be_left_in_the_account_and_is_named(operator):
    """Asked for in so many words, a deletion ends without what blocks, and says that it is still there."""
    operator.apply(groups=0)
    keep_log_groups(operator)

    deleted = operator.delete(retain_blocked=True)

    assert operator.stacks() == {}
    assert any("NodeLogGroup" in one.what for one in deleted.left)


def test_what_a_cluster_that_never_stood_had_written_is_in_nobodys_way(operator):
    """A creation that fails after etcd was founded leaves a bucket that CloudFormation cannot delete: it stays, another is made."""
    operator.nodes.verdict = "FAILURE"
    when(operator, "Controllers: create in progress", lambda: write_an_object(operator))
    with pytest.raises(StackError, match="ROLLBACK_FAILED"):
        operator.apply()
    operator.nodes.verdict = "SUCCESS"

    operator.apply()

    assert operator.stacks() == {"payments": "CREATE_COMPLETE"}
    names = [one["Name"] for one in operator.aws.client("s3").list_buckets()["Buckets"] if "backup" in one["Name"]]
    assert len(names) == 2


def write_an_object(operator):
    s3 = operator.aws.client("s3")
    for one in s3.list_buckets()["Buckets"]:
        if "backup" in one["Name"]:
            s3.put_object(Bucket=one["Name"], Key="etcd/cluster.json", Body=b"{}")


def test_a_creation_that_is_running_can_be_deleted(operator):
    """CREATE_IN_PROGRESS can be deleted: CloudFormation stops and takes back what it made."""
    operator.nodes.verdict = None
    when(operator, "Controllers: create in progress", interrupt)
    with pytest.raises(DetachedError):
        operator.apply()

    deleted = operator.delete()

    assert deleted.clean
    assert operator.stacks() == {}


def test_an_update_that_is_running_is_not_deleted_under_its_feet(operator):
    """UPDATE_IN_PROGRESS refuses deletion: wait, or follow."""
    operator.apply()
    operator.nodes.verdict = None
    when(operator, "New instance(s) added", interrupt)
    with pytest.raises(DetachedError):
        operator.apply(NEWER)

    with pytest.raises(StackError, match="Another operation runs") as raised:
        operator.delete()

    assert raised.value.exit_code == 1
    operator.aws.client("cloudformation").cancel_update_stack(StackName="payments")
    with pytest.raises(KubecfnError):
        operator.apply(NEWER)


def test_two_applies_at_once_end_in_one_stack(operator):
    """Whoever is second is told or follows; nobody breaks the other's stack."""
    wanted = operator.deployment(groups=0)
    ends = []

    def run():
        try:
            ends.append(operator.apply(deployment=wanted).state)
        except KubecfnError as error:
            ends.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert State.CREATE_COMPLETE in ends
    assert operator.stacks() == {"payments": "CREATE_COMPLETE"}
    assert [kind for kind in (p.kind for p in operator.progress) if kind is Kind.STEP]
    assert json.dumps([str(end) for end in ends])
