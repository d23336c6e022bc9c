"""The packed function beside a real API server: who is moved first, who may not, and when a worker goes all the same."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from kubecfn.care.trouble import NODES, told_by
from tests.lambdas.workers import BUCKET, CLUSTER, DOMAIN, HOOK, NODE_LOG, POOL, WAITS, authority, living_cluster
from tests.lambdas.workers import opened_account as opened

RIGHTS = [
    (["autoscaling:DescribeAutoScalingGroups", "cloudformation:DescribeStacks"], "*"),
    (["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"], "*"),
    (["s3:GetObject"], f"arn:aws:s3:::{BUCKET}/*"),
    (["logs:CreateLogStream", "logs:PutLogEvents"], "*"),
]


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """An account with one pool."""
    with opened(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture(scope="module")
def session(account, function_role):
    """The function's own role."""
    return function_role(account[0], "worker-lifecycle", RIGHTS)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, session):
    """A cluster that takes this role's tokens."""
    keys = session.get_credentials().get_frozen_credentials()
    with living_cluster(tmp_path_factory.mktemp("cluster"), {keys.access_key: keys.secret_key}) as made:
        yield made


@pytest.fixture
def pools(account):
    """The pool, with nobody in it."""
    account[1].__init__()
    return account[1]


@pytest.fixture(scope="module")
def settings(account, cluster):
    """The function's environment."""
    return {
        "CLUSTER": CLUSTER,
        "HOOK": HOOK,
        "STACK": CLUSTER,
        "DOMAIN": DOMAIN,
        "API": cluster.server.server,
        "ARTIFACT_BUCKET": BUCKET,
        "KUBERNETES_CA_KEY": authority(account[0], cluster.server.ca),
        "NODE_LOG": NODE_LOG,
        "BUDGET": "900",
    }


@pytest.fixture
def run(settings, session, warm):
    """Hand one event to the function; return how it ended and what it logged. Its time runs fast."""

    def run(event=None, *, seconds=400, pace=20, **others):
        environment = warm("worker_lifecycle", session)
        environment.send(event or {}, {**settings, **others}, seconds=seconds, pace=pace)
        said = environment.lines()
        return said[-1], [json.loads(line) for line in said if line.startswith("{")]

    return run


def leaves(instance):
    """EventBridge's word that an instance waits in the hook."""
    detail = {"AutoScalingGroupName": POOL, "LifecycleHookName": HOOK, "EC2InstanceId": instance}
    return {"detail-type": "EC2 Instance-terminate Lifecycle Action", "detail": detail}


def cried(account, instance):
    """Return what people are told of a worker, as `kubecfn why` reads it."""
    try:
        events = account[0].client("logs").get_log_events(logGroupName=NODE_LOG, logStreamName=instance)["events"]
    except ClientError:
        return []
    return [told_by(NODES, event) for event in events]


def ago(seconds):
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")


def test_a_worker_is_emptied_and_then_let_go(cluster, pools, run):
    """Cordoned, its pods evicted, critical ones last, DaemonSets' left alone; then node and hook are done with."""
    space, node = cluster.namespace(), cluster.node()
    for name in ("a", "b"):
        cluster.pod(space, name, node)
    cluster.pod(space, "dns", node, priorityClassName="system-cluster-critical")
    cluster.pod(space, "ds", node, owner="DaemonSet")
    pools.states = {node: WAITS}
    before = time.monotonic()

    outcome, said = run(leaves(node))

    assert outcome == 'result {"answered": 1, "late": 0, "waiting": 0}'
    assert pools.told == [(node, "CONTINUE")]
    assert cluster.pods(node) == ["ds"]
    assert node not in cluster.nodes()
    assert [line["decision"] for line in said][-1] == "forget"
    assert time.monotonic() - before < 10


def test_a_worker_stays_until_the_volumes_of_its_pods_have_left_it(cluster, pools, run, account):
    """Without its node nobody would say that they are unmounted; another node's, and those of pods that stay, hold nobody."""
    space, node, other = cluster.namespace(), cluster.node(), cluster.node()
    cluster.pod(space, "one", node)
    claim = {"name": "own", "persistentVolumeClaim": {"claimName": "own"}}
    cluster.pod(space, "ds", node, owner="DaemonSet", volumes=[claim])
    cluster.attach("pvc-other", other)
    cluster.attach("pvc-own", node)
    detach = cluster.attach("pvc-one", node)
    pools.states = {node: WAITS}

    first, said = run(leaves(node), seconds=30, pace=10)
    still = node in cluster.nodes()
    detach()
    second, _ = run({})

    assert (first, still) == ('result {"answered": 0, "late": 0, "waiting": 1}', True)
    assert said[-1]["reason"] == "volumes of pods that have left it are still attached: pvc-one, pvc-own"
    assert second == 'result {"answered": 1, "late": 0, "waiting": 0}'
    assert (node in cluster.nodes(), other in cluster.nodes()) == (False, True)
    assert cried(account, node) == []


def test_a_budget_is_respected_until_another_pod_is_ready(cluster, pools, run, account):
    """A real PodDisruptionBudget refuses; the run waits, keeps the hook alive, and moves the pod when it may."""
    space, node, other = cluster.namespace(), cluster.node(), cluster.node()
    cluster.pod(space, "one", node)
    cluster.budget(space)
    pools.states = {node: WAITS}

    first, said = run(leaves(node), seconds=30, pace=10)
    cordoned = cluster.admin.get(f"/api/v1/nodes/{node}")["spec"].get("unschedulable")
    still, beats = cluster.pods(node), list(pools.beats)
    cluster.pod(space, "two", other)
    cluster.until(lambda: cluster.allowed(space) == 1)
    second, _ = run({})

    assert first == 'result {"answered": 0, "late": 0, "waiting": 1}'
    assert (still, cordoned, beats) == (["one"], True, [node])
    [waits] = [line["reason"] for line in said if line["decision"] == "WAIT"]
    assert waits.startswith(f"it waits for {space}/one (The disruption budget web needs 1 healthy pods and has 1")
    assert second == 'result {"answered": 1, "late": 0, "waiting": 0}'
    assert (cluster.pods(node), cluster.pods(other)) == ([], ["two"])
    assert cried(account, node) == []


def test_when_the_budget_is_over_the_worker_goes_and_it_is_said_with_what(cluster, pools, run, account):
    """Who may not move is named with the disruption budget's words, where `kubecfn why` reads; its node stays."""
    space = cluster.namespace()
    node = cluster.node(since=ago(1000))
    cluster.pod(space, "one", node)
    cluster.budget(space)
    pools.states = {node: WAITS}

    outcome, said = run(leaves(node))

    assert outcome == 'result {"answered": 1, "late": 0, "waiting": 0}'
    assert pools.told == [(node, "CONTINUE")]
    assert (cluster.pods(node), node in cluster.nodes()) == (["one"], True)
    assert said[-1]["decision"] == "give-up"
    [trouble] = cried(account, node)
    assert (trouble.who, trouble.what) == (node, "while drain")
    assert trouble.reason.startswith(
        f"after 900 s it goes with {space}/one (The disruption budget web needs 1 healthy pods and has 1 currently)"
    )


def test_who_waits_for_a_budget_is_told_after_a_minute(cluster, pools, run, account):
    """Long before the worker goes, `why` names the pod that keeps it."""
    space, node = cluster.namespace(), cluster.node(since=ago(100))
    cluster.pod(space, "one", node)
    cluster.budget(space)
    pools.states = {node: WAITS}

    outcome, _ = run({}, seconds=30, pace=10)
    run({}, seconds=30, pace=10)

    assert outcome == 'result {"answered": 0, "late": 0, "waiting": 1}'
    [trouble] = cried(account, node)
    assert trouble.reason.startswith(f"it waits for {space}/one (The disruption budget web")


def test_a_pod_that_nobody_makes_again_is_moved_out_and_told(cluster, pools, run, account):
    """It would end with its instance in any case; a person hears of it."""
    space, node = cluster.namespace(), cluster.node()
    cluster.pod(space, "bare", node, owner="")
    pools.states = {node: WAITS}

    outcome, _ = run(leaves(node))

    assert outcome == 'result {"answered": 1, "late": 0, "waiting": 0}'
    [trouble] = cried(account, node)
    assert trouble.reason == f"nothing makes these pods again, and they ended with their node: {space}/bare"


def test_a_silent_kubelet_is_not_waited_for(cluster, pools, run):
    """Pods of a machine that is dead are asked to leave, so that others are made, and the hook goes on."""
    space = cluster.namespace()
    dead = cluster.node(ready="Unknown", alive=False, since=ago(130))
    cluster.pod(space, "one", dead)
    pools.states = {dead: WAITS}

    outcome, said = run(leaves(dead))

    assert outcome == 'result {"answered": 1, "late": 0, "waiting": 0}'
    assert said[-1]["reason"].startswith("its kubelet is silent and ends no pod any more; it goes with")
    told = cluster.admin.get(f"/api/v1/namespaces/{space}/pods/one")
    assert told["metadata"]["deletionTimestamp"]
    cluster.alive.add(dead)


def test_a_speaking_kubelet_is_waited_for_as_long(cluster, pools, run):
    """The twin: the same moment, a kubelet that is only slow."""
    space = cluster.namespace()
    slow = cluster.node(alive=False, since=ago(130))
    cluster.pod(space, "one", slow)
    pools.states = {slow: WAITS}

    outcome, _ = run(leaves(slow), seconds=30, pace=10)

    assert (outcome, pools.told) == ('result {"answered": 0, "late": 0, "waiting": 1}', [])
    cluster.alive.add(slow)


def test_several_leave_at_once_and_events_come_twice_late_or_wrong(cluster, pools, run):
    """One run takes all that wait; what is done is found done, what is not ours is not looked at."""
    space = cluster.namespace()
    nodes = [cluster.node() for _ in range(3)]
    for node in nodes[:2]:
        cluster.pod(space, f"on-{node}", node)
    pools.states = dict.fromkeys([*nodes[:2], "i-without-node"], WAITS) | {nodes[2]: "InService"}

    first, _ = run(leaves(nodes[0]))
    again, _ = run(leaves(nodes[0]))
    wrong, said = run({"detail": {**leaves(nodes[2])["detail"], "LifecycleHookName": "another"}})

    assert first == 'result {"answered": 3, "late": 0, "waiting": 0}'
    assert sorted(pools.told) == [(one, "CONTINUE") for one in sorted([*nodes[:2], "i-without-node"])]
    assert again == 'result {"answered": 0, "late": 1, "waiting": 0}'
    assert (wrong, said[0]["decision"]) == ('result {"answered": 0, "waiting": 0, "late": 0}', "ignore")
    assert nodes[2] in cluster.nodes()


def test_a_spot_warning_drains_before_any_hook(cluster, pools, run):
    """EC2 says two minutes before: the pods leave now, the node takes no new ones and stays until its hook."""
    space, node = cluster.namespace(), cluster.node()
    cluster.pod(space, "one", node)
    pools.states = {node: "InService"}
    warning = {
        "detail-type": "EC2 Spot Instance Interruption Warning",
        "source": "aws.ec2",
        "detail": {"instance-id": node, "instance-action": "terminate"},
    }

    outcome, _ = run(warning)
    others, _ = run({**warning, "detail": {"instance-id": "i-of-somebody-else", "instance-action": "terminate"}})

    assert outcome == others == 'result {"interrupted": 1, "waiting": 0}'
    assert (cluster.pods(node), pools.told) == ([], [])
    assert cluster.admin.get(f"/api/v1/nodes/{node}")["spec"]["unschedulable"] is True


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"API": "https://127.0.0.1:1"}, "127.0.0.1:1 cannot be reached: Connection refused"),
        ({"DOMAIN": "other.example"}, "Unauthorized"),
    ],
)
def test_an_api_server_that_cannot_be_asked_is_waited_for_and_then_told(cluster, pools, run, account, wrong, words):
    """Not asked is not "nothing there": the hook is kept alive within the budget; then the worker goes, loudly."""
    node = cluster.node()
    pools.states = {node: WAITS}

    waits, said = run(leaves(node), seconds=30, pace=10, **wrong)
    goes, _ = run(leaves(node), **wrong, BUDGET="0")

    assert waits == 'result {"answered": 0, "late": 0, "waiting": 1}'
    assert said[0]["reason"] == f"the API server cannot be asked: {words}"
    assert pools.beats == [node]
    assert goes == 'result {"answered": 1, "late": 0, "waiting": 0}'
    [trouble] = cried(account, node)
    assert trouble.reason == f"it goes undrained: for 0 s the API server could not be asked: {words}"


def test_another_clusters_authority_is_not_trusted(cluster, pools, run, account):
    """A wrong CA in the bucket: nothing is asked, and the words say why."""
    node = cluster.node()
    pools.states = {node: WAITS}

    outcome, said = run({}, seconds=30, pace=10, KUBERNETES_CA_KEY=authority(account[0], cluster.server._etcd.trust.ca))

    assert outcome == 'result {"answered": 0, "late": 0, "waiting": 1}'
    assert "its certificate is not trusted" in said[0]["reason"]


def test_a_certificate_that_is_not_what_its_name_says_is_refused(cluster, pools, run, account, settings):
    """Whoever can write the bucket cannot make the function trust another server."""
    pools.states = {cluster.node(): WAITS}
    key = settings["KUBERNETES_CA_KEY"].replace("kubernetes-ca-", "kubernetes-ca-0")
    account[0].client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"{}")

    outcome, _ = run({}, KUBERNETES_CA_KEY=key)

    assert outcome.startswith("raised AuthorityError")
    assert "its SHA-256 differs" in outcome
    assert pools.told == []


@pytest.mark.parametrize("status", ["DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_a_stack_that_goes_takes_its_workers_at_once(cluster, pools, run, status):
    """Nobody is asked, and nobody is waited for."""
    node = cluster.node()
    pools.states, pools.status = {node: WAITS}, status

    outcome, said = run(leaves(node), API="https://127.0.0.1:1")

    assert outcome == 'result {"answered": 1, "waiting": 0, "late": 0}'
    assert said[0]["reason"] == f"the stack is in {status}: {node} goes with it"


def test_a_stack_that_is_deleted_meanwhile_takes_its_workers(cluster, pools, run):
    """A run that waits for a disruption budget sees that nobody needs the pods any more."""
    space, node = cluster.namespace(), cluster.node()
    cluster.pod(space, "one", node)
    cluster.budget(space)
    pools.states = {node: WAITS}
    timer = threading.Timer(0.5, lambda: setattr(pools, "status", "DELETE_IN_PROGRESS"))
    timer.start()

    outcome, _ = run(leaves(node), pace=10)

    assert outcome == 'result {"answered": 1, "waiting": 0, "late": 0}'
    assert pools.told == [(node, "CONTINUE")]
