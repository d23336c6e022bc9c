import botocore.session
import pytest

from kubecfn.deploy.states import ACTS, Apply, Delete, Ended, State, state_of


def test_every_state_cloudformation_has_is_in_the_table():
    """The table is closed: a new status in AWS's model fails here first."""
    model = botocore.session.get_session().get_service_model("cloudformation")

    assert {state.value for state in State} - {"ABSENT"} == set(model.shape_for("StackStatus").enum)
    assert set(ACTS) == set(State)


@pytest.mark.parametrize("state", list(State))
def test_a_running_operation_is_waited_for_and_nothing_else_is(state):
    """Whatever ends in IN_PROGRESS runs, except a review, which waits for a person."""
    runs = state.value.endswith("IN_PROGRESS") and state is not State.REVIEW_IN_PROGRESS

    assert (ACTS[state].ended is Ended.RUNNING) is runs
    assert (ACTS[state].apply is Apply.WAIT) is runs


@pytest.mark.parametrize("state", list(State))
def test_a_failed_or_rolled_back_state_ends_badly(state):
    """Success is never reported for a state that says otherwise."""
    badly = "FAILED" in state.value or ("ROLLBACK" in state.value and not state.value.endswith("IN_PROGRESS"))

    assert (ACTS[state].ended is Ended.BADLY) is badly


@pytest.mark.parametrize(
    ("state", "apply", "delete"),
    [
        ("REVIEW_IN_PROGRESS", Apply.CREATE, Delete.DELETE),
        ("ROLLBACK_COMPLETE", Apply.DELETE_FIRST, Delete.DELETE),
        ("CREATE_FAILED", Apply.DELETE_FIRST, Delete.DELETE),
        ("UPDATE_ROLLBACK_FAILED", Apply.CONTINUE_ROLLBACK, Delete.AGAIN),
        ("UPDATE_ROLLBACK_COMPLETE", Apply.UPDATE, Delete.DELETE),
        ("UPDATE_FAILED", Apply.UPDATE, Delete.DELETE),
        ("DELETE_FAILED", Apply.DELETE_FIRST, Delete.AGAIN),
        ("DELETE_COMPLETE", Apply.CREATE, Delete.NOTHING),
        ("DELETE_IN_PROGRESS", Apply.WAIT, Delete.FOLLOW),
        ("UPDATE_IN_PROGRESS", Apply.WAIT, Delete.REFUSE),
        (None, Apply.CREATE, Delete.NOTHING),
    ],
)
def test_each_state_leads_to_the_act_aws_allows_there(state, apply, delete):
    """AWS's status codes page says which operations a status takes; these are the ones people end up in."""
    acts = ACTS[state_of(state)]

    assert (acts.apply, acts.delete) == (apply, delete)
