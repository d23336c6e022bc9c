import json
import sys

import pytest
from hooks.leaving import Answer, Found, Leaving, Verdict, is_going, leaving
from hooks.settle import settle

from kubecfn.etcd.settings import variables
from kubecfn.local.api import Service, ServiceError
from kubecfn.local.embedded import EmbeddedAws

HOOK = "terminating"
GROUP = "payments-controllers"
ONE = Leaving("i-0000000a", GROUP)


def event(instance="i-0000000a", group=GROUP, hook=HOOK):
    """EventBridge's event, with the fields of AWS's own example."""
    return {
        "detail-type": "EC2 Instance-terminate Lifecycle Action",
        "source": "aws.autoscaling",
        "detail": {
            "LifecycleActionToken": "87654321-4321-4321-4321-210987654321",
            "AutoScalingGroupName": group,
            "LifecycleHookName": hook,
            "EC2InstanceId": instance,
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        },
    }


class Hooks:
    """Groups, hooks and one stack as AWS answers about them; each waiting instance is answered once."""

    def __init__(self):
        self.waiting = {}
        self.tags = {}
        self.status = "UPDATE_IN_PROGRESS"
        self.completed = []
        self.retained = []
        self.ended = []
        self.refused = set()

    def service(self, _world):
        """Answer the operations that lifecycle functions call."""
        return Service(
            {
                ("autoscaling", "DescribeAutoScalingGroups"): self.groups,
                ("autoscaling", "CompleteLifecycleAction"): self.complete,
                ("autoscaling", "TerminateInstanceInAutoScalingGroup"): self.end,
                ("cloudformation", "DescribeStacks"): self.stacks,
            },
            lambda: None,
        )

    def groups(self, call):
        """By name or by tags, as AWS filters."""
        names = call.params.get("AutoScalingGroupNames") or [
            name
            for name in self.waiting
            if all(
                self.tags.get(name, {}).get(f["Name"].removeprefix("tag:")) in f["Values"]
                for f in call.params["Filters"]
            )
        ]
        return {"AutoScalingGroups": [self.group(name) for name in names if name in self.waiting]}

    def group(self, name):
        """Describe one group; it has an instance in service, too."""
        states = {**dict.fromkeys(self.waiting[name], "Terminating:Wait"), "i-0000000f": "InService"}
        states |= dict.fromkeys(self.retained, "Terminating:Retained")
        return {
            "AutoScalingGroupName": name,
            "Instances": [{"InstanceId": one, "LifecycleState": state} for one, state in states.items()],
        }

    def complete(self, call):
        """Take one answer for an instance that waits."""
        instance, group = call.params["InstanceId"], call.params["AutoScalingGroupName"]
        if instance in self.refused:
            raise ServiceError("AccessDenied", f"not authorized for {instance}", 403)
        if instance not in self.waiting.get(group, ()):
            raise ServiceError("ValidationError", f"No active Lifecycle Action found with instance ID {instance}")
        self.waiting[group].remove(instance)
        self.completed.append((instance, call.params["LifecycleHookName"], call.params["LifecycleActionResult"]))
        return {}

    def end(self, call):
        """Note who is ended."""
        assert call.params["ShouldDecrementDesiredCapacity"] is False
        self.ended.append(call.params["InstanceId"])
        return {
            "Activity": {"ActivityId": "1", "AutoScalingGroupName": GROUP, "Cause": "x", "StatusCode": "InProgress"}
        }

    def stacks(self, call):
        """Describe the one stack, or say that there is none."""
        if not self.status:
            raise ServiceError("ValidationError", f"Stack with id {call.params['StackName']} does not exist")
        return {"Stacks": [{"StackName": "payments", "StackStatus": self.status}]}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """An account in which hooks and stacks answer as a test says."""
    hooks = Hooks()
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), region="eu-central-1", services=[hooks.service]) as aws:
        yield aws, hooks


@pytest.fixture
def hooks(embedded):
    """Hooks with nobody waiting."""
    _, found = embedded
    found.__init__()
    return found


@pytest.fixture
def run(embedded, invoke):
    """Hand events to a packed function; return its results and the lines it logged."""
    aws, _ = embedded

    def run(name, settings, *events):
        said = invoke(name, settings, events, aws.session())
        outcomes = [line for line in said if line.startswith(("result", "raised"))]
        return outcomes, [json.loads(line) for line in said if line.startswith("{")]

    return run


ETCD = {
    "CLUSTER": "payments",
    "BUCKET": "no-such-bucket",
    "ARTIFACT_BUCKET": "no-such-bucket",
    "ETCD_CLIENT_KEY": "payments/functions/etcd-client-0.json",
    "BACKUP_EVERY": "300",
}
CONTROLLER = {"GROUP": GROUP, "HOOK": HOOK, "STACK": "payments", "DISCOVERY": "none", "BUDGET": "900", **ETCD}
API = {
    "DOMAIN": "payments.k8s.example.com",
    "API": "https://127.0.0.1:1",
    "ARTIFACT_BUCKET": "no-such-bucket",
    "KUBERNETES_CA_KEY": "payments/functions/kubernetes-ca-0.json",
    "NODE_LOG": "/kubecfn/payments/nodes",
    "BUDGET": "900",
}
WORKER = {"CLUSTER": "payments", "HOOK": HOOK, "STACK": "payments", **API}


def test_controllers_of_a_stack_that_is_deleted_go_at_once_whatever_etcd_says(hooks, run):
    """Neither etcd, nor its certificate, nor the bucket is asked; a copy of an event and a schedule each end well."""
    hooks.waiting = {GROUP: ["i-0000000a", "i-0000000b"]}
    hooks.retained = ["i-0000000e"]
    hooks.status = "DELETE_IN_PROGRESS"

    results, said = run(
        "controller_lifecycle", CONTROLLER, event(), event(), {"source": "aws.events"}, event(group="x")
    )

    assert results == [
        'result {"answered": 1, "waiting": 0, "late": 0}',
        'result {"answered": 0, "waiting": 0, "late": 1}',
        'result {"answered": 1, "waiting": 0, "late": 0}',
        'result {"answered": 0, "waiting": 0, "late": 0}',
    ]
    assert hooks.completed == [("i-0000000a", HOOK, "CONTINUE"), ("i-0000000b", HOOK, "CONTINUE")]
    assert set(hooks.ended) == {"i-0000000e"}
    decisions = [line["decision"] for line in said if line["decision"] != "terminate"]
    assert decisions == ["CONTINUE", "CONTINUE", "late", "CONTINUE", "ignore"]
    assert all("DELETE_IN_PROGRESS" in line["reason"] for line in said if line["decision"] == "CONTINUE")


def test_a_controller_of_a_stack_that_lives_is_not_let_go_unseen(hooks, run):
    """Without a way to ask etcd nothing is answered, and the function fails: silence must never read as success."""
    hooks.waiting = {GROUP: ["i-0000000a"]}

    results, _ = run("controller_lifecycle", CONTROLLER, event())

    assert results[0].startswith("raised NoSuchBucket")
    assert hooks.completed == []


def test_a_group_that_is_not_there_yet_is_no_error(hooks, run):
    """The schedule begins before the group is made."""
    results, said = run("controller_lifecycle", CONTROLLER, {})

    assert results == ['result {"answered": 0, "waiting": 0, "late": 0}']
    assert said[0]["reason"] == f"there is no group {GROUP}"


def test_one_refused_instance_keeps_no_other_waiting_and_is_raised(hooks, run):
    """What AWS refuses ends in an error after every other instance had its turn."""
    hooks.waiting = {GROUP: ["i-0000000a", "i-0000000b"]}
    hooks.refused = {"i-0000000a"}
    hooks.status = "ROLLBACK_IN_PROGRESS"

    results, _ = run("controller_lifecycle", CONTROLLER, {})

    assert results[0].startswith("raised ExceptionGroup")
    assert "not authorized for i-0000000a" in results[0]
    assert hooks.completed == [("i-0000000b", HOOK, "CONTINUE")]


def test_workers_of_every_pool_of_this_cluster_and_no_other_are_answered(hooks, run):
    """Pools are found by their tags; neither controllers nor another cluster's workers are touched."""
    hooks.waiting = {"pool": ["i-0000000a"], "spot": ["i-0000000b"], "other": ["i-0000000c"], GROUP: ["i-0000000d"]}
    ours = {"kubecfn:cluster": "payments", "kubecfn:role": "worker"}
    hooks.tags = {
        "pool": ours,
        "spot": ours,
        "other": {**ours, "kubecfn:cluster": "shop"},
        GROUP: {**ours, "kubecfn:role": "controller"},
    }
    hooks.status = ""

    results, said = run("worker_lifecycle", WORKER, event("i-0000000a", "pool"), event("i-0000000c", "other"), {})

    assert [json.loads(line.removeprefix("result "))["answered"] for line in results] == [1, 0, 1]
    assert [one[0] for one in hooks.completed] == ["i-0000000a", "i-0000000b"]
    assert said[0]["reason"] == "the stack no longer exists: i-0000000a goes with it"


@pytest.mark.parametrize(
    ("status", "going"),
    [
        ("DELETE_IN_PROGRESS", True),
        ("DELETE_FAILED", True),
        ("ROLLBACK_IN_PROGRESS", True),
        ("ROLLBACK_FAILED", True),
        ("", True),
        ("CREATE_COMPLETE", False),
        ("UPDATE_IN_PROGRESS", False),
        ("UPDATE_COMPLETE", False),
        ("UPDATE_ROLLBACK_IN_PROGRESS", False),
        ("UPDATE_ROLLBACK_COMPLETE", False),
    ],
)
def test_only_a_stack_that_takes_the_cluster_away_makes_waiting_pointless(status, going):
    """After a rolled back update the cluster lives on, and its members must leave in order."""
    assert bool(is_going(status)) is going


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (event(), Found((ONE,))),
        (event(hook="backup"), Found((), "the event is for the hook backup, ours is terminating")),
        (event(group="x"), Found((), "the event is for the group x, which is not ours")),
        ({"source": "aws.events", "detail": {}}, Found((Leaving("i-0000000b", GROUP),))),
        ({}, Found((Leaving("i-0000000b", GROUP),))),
    ],
)
def test_an_event_is_believed_only_for_our_group_and_hook(found, expected):
    """An event names an instance that the group may not show yet; a run without one takes whoever waits."""
    assert leaving(found, HOOK, {GROUP: ("i-0000000b",)}) == expected


@pytest.mark.parametrize(("answer", "told"), [(Answer.CONTINUE, True), (Answer.ABANDON, True), (Answer.WAIT, False)])
def test_a_verdict_decides_what_the_hook_is_told(answer, told):
    """To wait is to say nothing; the other two verdicts go to the hook as they are."""

    class Aws:
        said = ()

        def answer(self, one, hook, answer):
            self.said = (one, hook, answer)
            return True

    aws = Aws()
    counts = settle(aws, HOOK, Found((ONE,)), lambda _: Verdict(answer, "why"))

    assert aws.said == ((ONE, HOOK, answer) if told else ())
    assert counts == {"answered": int(told), "waiting": int(not told), "late": 0}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("etcd_discovery", {"GROUP", "ZONE_ID", "DOMAIN", "TTL"}),
        ("controller_lifecycle", {"GROUP", "HOOK", "STACK", "DISCOVERY", "BUDGET", *ETCD}),
        ("etcd_backup", {"GROUP", *ETCD}),
        ("worker_lifecycle", {"CLUSTER", "HOOK", "STACK", *API}),
    ],
)
def test_a_function_reads_the_variables_that_the_template_sets(name, expected):
    """One field of Settings per environment variable, no more and no fewer."""
    __import__(f"{name}.settings")

    assert variables(sys.modules[f"{name}.settings"].Settings) == expected
