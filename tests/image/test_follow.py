"""Watching a build: how it ended is told in its own words, and success is believed only when the parameter says so."""

# ruff: noqa: D102  each method answers as the operation it is named after
from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from kubecfn.deploy.progress import Kind, RealClock, Work
from kubecfn.errors import KubecfnError
from kubecfn.image.follow import follow

ARN = "arn:aws:imagebuilder:eu-central-1:123456789012:image/kubecfn-1-36-x86-64/1.36.7/1"
PARAMETER = "/imagebuilder/kubecfn/1.36/x86_64"


def absent(operation):
    return ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "none"}}, operation)


class Account:
    """AWS as one build sees it: its states one after the other, its steps, its log, the parameter."""

    region = "eu-central-1"

    def __init__(self, *states, kept="ami-1", lines=None, steps=()):
        self.states, self.kept, self.lines, self.steps = list(states), kept, lines, steps

    def client(self, _service):
        return self

    def get_image(self, **_):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        amis = [{"region": self.region, "image": "ami-1"}, {"region": "eu-west-1", "image": "ami-2"}]
        return {"image": {"arn": ARN, "name": "kubecfn-1-36-x86-64", "state": state, "outputResources": {"amis": amis}}}

    def list_workflow_executions(self, **_):
        return {"workflowExecutions": [{"workflowExecutionId": "wf-1"}]}

    def list_workflow_step_executions(self, **_):
        return {"steps": [{"name": name, "status": status} for name, status in self.steps]}

    def get_parameter(self, **_):
        return {"Parameter": {"Value": self.kept}}

    def describe_images(self, **_):
        return {"Images": [{"ImdsSupport": "v2.0"}]}

    def get_log_events(self, *, limit, **_):
        if self.lines is None:
            raise absent("GetLogEvents")
        return {"events": [{"message": line} for line in self.lines[-limit:]]}


def watch(account):
    told = []
    work = Work(
        SimpleNamespace(now=RealClock().now, monotonic=RealClock().monotonic, sleep=lambda _: None), told.append, "come"
    )
    return follow(account, {"x86_64": ARN}, {"x86_64": PARAMETER}, work), told


def test_every_stage_is_told_once():
    """Stages and ended steps are told when they are new, whatever the number of looks."""
    states = ["PENDING", "BUILDING", "BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]
    account = Account(
        *({"status": one} for one in states), steps=[("LaunchBuildInstance", "COMPLETED"), ("Test", "RUNNING")]
    )
    (built,), told = watch(account)

    assert (built.ami, built.parameter) == ("ami-1", PARAMETER)
    texts = [one.text for one in told]
    assert len(texts) == len(set(texts))
    assert [one.text for one in told if one.kind is Kind.NOTE] == ["x86_64: LaunchBuildInstance completed"]
    assert "x86_64: boots from its image and is tested" in texts


@pytest.mark.parametrize("kept", ["ami-2", "ami-9"])
def test_a_parameter_that_names_another_image_is_no_success(kept):
    """An image of another region or build in the parameter is not taken for the one that was baked here."""
    with pytest.raises(KubecfnError, match=f"names {kept}"):
        watch(Account({"status": "AVAILABLE"}, kept=kept))


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"status": "FAILED", "reason": "No instance of this type is to be had."}, "No instance of this type"),
        ({"status": "CANCELLED"}, "it is CANCELLED: Image Builder says no reason"),
        (
            {
                "status": "FAILED",
                "reason": "long",
                "failureContext": {
                    "componentFailure": {
                        "phaseName": "build",
                        "stepName": "LayPrograms",
                        "errorMessage": "exit status 1",
                    }
                },
            },
            "the step LayPrograms of its phase build failed: exit status 1",
        ),
    ],
)
@pytest.mark.parametrize("lines", [None, ["first", "install: there is no runc"]])
def test_a_build_that_failed_is_told_in_its_own_words(state, says, lines):
    """The reason, the log and, where there is one, its last lines are in the error; the remedy is the way back."""
    with pytest.raises(KubecfnError) as error:
        watch(Account(state, lines=lines))

    assert says in error.value.message
    assert "/aws/imagebuilder/kubecfn-1-36-x86-64 (1.36.7/1)" in error.value.message
    assert ("install: there is no runc" in error.value.message) is (lines is not None)
    assert error.value.remedy.endswith("come")
