"""What a Kubernetes cluster meets from outside and from within, and what has to come of each: refused, waited for, or mended.

One controller and one worker, so that nobody else could have done what is expected of them.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from kubecfn.care.ask import Function, RefusedError, function
from kubecfn.care.status import look as status
from kubecfn.care.where import where
from kubecfn.deploy.why import node_lines, why
from kubecfn.errors import KubecfnError
from kubecfn.kubernetes.client import Client
from kubecfn.kubernetes.wire import KubernetesError
from tests.rehearsal import harm
from tests.rehearsal.cluster import NAME, DidNotHappenError, until

from . import expiry
from .containers import ANSWER
from .life import KubernetesLife
from .life import asked as answered
from .look import is_true
from .strangers import AUTHENTICATOR, Strangers, pool_of
from .words import AGENT, last, written

_PROGRAM = "/usr/local/bin/aws-iam-authenticator"
_PATIENCE = 240.0
_BUDGET = 15
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
_ROOM = 16 << 20
_LARGE = 900_000


@dataclass
class Trouble:
    """What is done to a cluster that lives, and what has to come of it."""

    life: KubernetesLife

    @property
    def _workers(self) -> tuple[str, ...]:
        return self.life.instances(controllers=False)

    def create(self) -> str:
        """Make the stack, and begin to write."""
        state = self.life.cluster.apply().state.value
        until(answered(self.life.look.client.ready), lambda: "the API is not ready", _PATIENCE)
        self.life.whole()
        self.life.writer.__enter__()
        return f"{state}; {len(self.life.look.pods())} pods are ready"

    def no_authenticator(self) -> str:
        """Take the authenticator away: it comes back by itself; while it is kept away a new worker waits for it."""
        machines, controller = self.life.cluster.machines, self.life.controller
        back = []
        for harmed in (("kill", "--signal=KILL"), ("stop",)):
            harm.inside(machines, controller, "systemctl", *harmed, AUTHENTICATOR)
            back.append(until(lambda: self._is_active(AUTHENTICATOR), lambda: f"{AUTHENTICATOR} stays away", 30))
        harm.inside(machines, controller, "mv", _PROGRAM, f"{_PROGRAM}.away")
        harm.inside(machines, controller, "systemctl", "stop", AUTHENTICATOR)
        try:
            [new] = self._grow()
            told = written(self.life.cluster.machines, controller, AGENT, f"{AUTHENTICATOR} does not stay up")[-1]
            # It has everything by then but somebody who knows it.
            written(self.life.cluster.machines, new, AGENT, '"containerd"', 60.0)
            time.sleep(8.0)
            if new in self.life.look.nodes():
                raise DidNotHappenError(f"{new} is a node, and nobody knew it")
        finally:
            harm.inside(machines, controller, "mv", f"{_PROGRAM}.away", _PROGRAM)
        began = time.monotonic()
        until(answered(lambda: new in self.life.look.ready()), lambda: last(self.life.cluster.machines, new), _PATIENCE)
        return (
            f"back {back[0]:.1f} s after kill -9, {back[1]:.1f} s after a stop; {new} was ready"
            f" {time.monotonic() - began:.1f} s after it was let come back; the controller: {json.loads(told)['reason']}"
        )

    def pod_that_stays(self) -> str:
        """Take a worker away on which a pod runs that its disruption budget lets nobody evict."""
        cluster, client = self.life.cluster, self.life.look.client
        labels = {"app": "stays"}
        pod = {"containers": [{"name": "stays", "image": ANSWER, "imagePullPolicy": "IfNotPresent"}]}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}}
        spec["template"] = {"metadata": {"labels": labels}, "spec": pod}
        client.create("/apis/apps/v1/namespaces/default/deployments", {"metadata": {"name": "stays"}, "spec": spec})
        budget = {"maxUnavailable": 0, "selector": {"matchLabels": labels}}
        client.create(
            "/apis/policy/v1/namespaces/default/poddisruptionbudgets", {"metadata": {"name": "keep"}, "spec": budget}
        )
        until(answered(lambda: self.life.look.where("app=stays")), lambda: "; ".join(self.life.look.not_ready()), 60)
        [(stays, victim)] = self.life.look.where("app=stays").items()
        with self._drained_within(_BUDGET):
            began = time.monotonic()
            cluster.cloud.client("autoscaling").terminate_instance_in_auto_scaling_group(
                InstanceId=victim, ShouldDecrementDesiredCapacity=True
            )
            until(lambda: victim not in cluster.machines.alive, lambda: f"{victim} is on", _PATIENCE)
        took = time.monotonic() - began
        said = [one.reason for one in node_lines(cluster.aws, NAME, [victim]) if one.step == "drain"]
        if took < _BUDGET or not said or stays not in said[-1] or "keep" not in said[-1]:
            raise DidNotHappenError(f"{victim} was off after {took:.1f} s; its log says {said}")
        # Its node goes as soon as the cloud controller manager gives it up; the next step has the time to see it.
        client.delete("/apis/policy/v1/namespaces/default/poddisruptionbudgets/keep")
        client.delete("/apis/apps/v1/namespaces/default/deployments/stays")
        return f"off after {took:.1f} s; the node log: {said[-1]}"

    def no_balancer(self) -> str:
        """Take the API's load balancer away until workers are given up, then bring it back."""
        cluster, [worker], controller = self.life.cluster, self._workers, self.life.controller
        assert cluster.front
        assert cluster.front.balancer
        local = self._directly(controller)
        before, alive = self._renewed(local, controller), set(cluster.machines.alive)
        seen: set[bool] = set()

        def silent() -> bool:
            nodes = {one["metadata"]["name"]: one for one in local.list("/api/v1/nodes")}
            seen.add(is_true(nodes[controller], "Ready"))
            return not is_true(nodes[worker], "Ready")

        began = time.monotonic()
        cluster.front.balancer.gone = True
        try:
            away = until(silent, lambda: f"{worker} is ready, and nobody can have heard of it", 120)
            if seen != {True} or self._renewed(local, controller) <= before:
                raise DidNotHappenError(f"{controller} stopped being ready, or renewing its lease")
        finally:
            cluster.front.balancer.gone = False
        back = until(answered(lambda: worker in self.life.look.ready()), lambda: f"{worker} does not come back", 120)
        if set(cluster.machines.alive) != alive:
            raise DidNotHappenError(f"instances were replaced: {alive ^ set(cluster.machines.alive)}")
        gap = self.life.writer.seen(began, time.monotonic()).gap
        return (
            f"{worker} was given up after {away:.0f} s and ready {back:.1f} s after it came back; {controller} was ready"
            f" all the time; a client could not write for {gap:.0f} s"
        )

    def renew(self) -> str:
        """Let a controller's certificate be in its last quarter: all are renewed, and the components show the new ones."""
        cluster, controller = self.life.cluster, self.life.controller
        address = cluster.machines.address_of(controller)
        name = f"api.{cluster.wanted['dns']['domain']}"
        had = expiry.shown(address, name, self.life.authority)
        due = expiry.age(cluster.machines.root(controller) / "etc/kubernetes/pki")
        until(lambda: expiry.shown(address, name, self.life.authority) == due, lambda: "the old one is shown")
        began = time.monotonic()
        harm.inside(cluster.machines, controller, "systemctl", "restart", AGENT)
        until(
            lambda: expiry.shown(address, name, self.life.authority) not in {had, due, None},
            lambda: last(self.life.cluster.machines, controller),
            _PATIENCE,
        )
        new = expiry.shown(address, name, self.life.authority)
        until(answered(self.life.look.client.ready), lambda: "the API is not ready", _PATIENCE)
        told = json.loads(written(self.life.cluster.machines, controller, AGENT, "renewed, because of", 60.0)[-1])[
            "reason"
        ]
        self.life.whole()
        seen = self.life.writer.seen(began, time.monotonic())
        assert new
        if new.days < expiry.A_YEAR - 2:
            raise DidNotHappenError(f"the new certificate lasts {new.days} days")
        return f"{told}; a certificate of {new.days} days is shown; nobody could write for {seen.gap:.1f} s"

    def refused_manifest(self) -> str:
        """Bring an object that the API server refuses: the roll stops and is rolled back, and the old one serves meanwhile."""
        cluster, wrong = self.life.cluster, self.life.cluster.folder / "wrong.yaml"
        port = {"port": 99999, "targetPort": 80}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "impossible", "namespace": "default"}}
        wrong.write_text(json.dumps({**service, "spec": {"ports": [port]}}), encoding="utf-8")
        cluster.wanted["manifests"] = [str(wrong)]
        began, before = time.monotonic(), self.life.controller
        try:
            state = cluster.apply().state.value
        except KubecfnError as error:
            ended = error.message.splitlines()[0]
        else:
            raise DidNotHappenError(f"the stack is {state}")
        finally:
            del cluster.wanted["manifests"]
        took = time.monotonic() - began
        seen = self.life.writer.seen(began, time.monotonic())
        told = why(cluster.aws, NAME, NAME)
        lines = [one.reason for one in told.nodes]
        if not any("impossible" in line and "99999" in line for line in lines):
            raise DidNotHappenError(f"kubecfn why names no object: {told.text()}")
        stayed = (
            "the old one is still there" if self.life.controller == before else "the old one was replaced at the end"
        )
        return f"{ended} after {took:.0f} s; why: {lines[-1]}; {stayed}; meanwhile {seen}"

    def no_space(self) -> str:
        """Fill etcd to its quota: the API refuses writes, the status says so; compacted, defragmented and disarmed it is well."""
        cluster, client = self.life.cluster, self.life.look.client
        ask = function(cluster.aws, where(cluster.aws, NAME).function, NAME)
        self._quota(_ROOM + max(row.db_size or 0 for row in status(ask).members))
        refused = ""
        for number in itertools.count():
            body = {"metadata": {"name": f"filler-{number}"}, "data": {"filler": "x" * _LARGE}}
            try:
                client.create(_CONFIG_MAPS, body)
            except KubernetesError as error:
                refused = error.message
                if "space exceeded" in refused:
                    break
                time.sleep(0.5)
        began = time.monotonic()
        report = status(ask)
        if not any("NOSPACE" in alarm for alarm in report.alarms):
            raise DidNotHappenError(f"the status says {report.alarms}, {report.reason}")
        for one in list(client.list(_CONFIG_MAPS)):
            if one["metadata"]["name"].startswith("filler-"):
                client.delete(f"{_CONFIG_MAPS}/{one['metadata']['name']}")
        for question in ({"ask": "compact"}, {"ask": "defrag", "instance": self.life.controller}, {"ask": "disarm"}):
            until(lambda question=question: _done(ask, question), lambda: "the function is busy", 60)  # type: ignore[misc]
        wrote = self.life.writer.last
        until(lambda: self.life.writer.last > wrote, lambda: "nobody can write", 60)
        gap = self.life.writer.seen(began, time.monotonic()).gap
        self._quota(0)
        self.life.whole()
        return f"the API: {refused}; status: ALARM {', '.join(report.alarms)}; well again, {gap:.1f} s without a write"

    # how

    def _directly(self, controller: str) -> Client:
        """Return an administrator's client of one controller's own API server."""
        return Client.from_kubeconfig(
            self.life.file, server=f"https://{self.life.cluster.machines.address_of(controller)}:6443"
        )

    def _renewed(self, client: Client, node: str) -> datetime:
        return datetime.fromisoformat(client.get(f"{_LEASES}/{node}")["spec"]["renewTime"]).astimezone(UTC)

    def _is_active(self, unit: str) -> bool:
        shown = self.life.cluster.machines.run(self.life.controller, "systemctl", "is-active", unit)
        return shown.stdout.strip() == "active"

    def _grow(self) -> list[str]:
        """Add a worker; return it as soon as it boots."""
        alive = set(self.life.cluster.machines.alive)
        name = pool_of(self.life.cluster)["AutoScalingGroupName"]
        self.life.cluster.cloud.client("autoscaling").set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=2)
        until(lambda: set(self.life.cluster.machines.alive) - alive, lambda: "no worker is added")
        return sorted(set(self.life.cluster.machines.alive) - alive)

    @contextmanager
    def _drained_within(self, seconds: int) -> Iterator[None]:
        """Give pods so long to leave a worker."""
        cloud = self.life.cluster.cloud
        function_ = cloud.client("cloudformation").describe_stack_resource(
            StackName=NAME, LogicalResourceId="WorkerLifecycle"
        )["StackResourceDetail"]["PhysicalResourceId"]
        functions = cloud.client("lambda")
        had = functions.get_function_configuration(FunctionName=function_)["Environment"]["Variables"]

        def give(budget: str) -> None:
            functions.update_function_configuration(
                FunctionName=function_, Environment={"Variables": {**had, "BUDGET": budget}}
            )

        give(str(seconds))
        try:
            yield
        finally:
            give(had["BUDGET"])

    def _quota(self, size: int) -> None:
        """Start etcd again with this quota, or with what the agent wrote."""
        machines, one = self.life.cluster.machines, self.life.controller
        file = machines.root(one) / "etc/etcd/etcd.yaml"
        kept = file.with_name("quota-before")
        text = file.read_text(encoding="utf-8")
        if size:
            kept.write_text(text, encoding="utf-8")
        lines = [line for line in text.splitlines() if not line.startswith("quota-backend-bytes")]
        file.write_text(
            "\n".join([*lines, f"quota-backend-bytes: {size}", ""]) if size else kept.read_text(encoding="utf-8")
        )
        harm.inside(machines, one, "systemctl", "restart", "etcd.service")
        until(answered(self.life.look.client.ready), lambda: "the API is not ready", 60)


def _done(ask: Function, question: Mapping[str, str]) -> bool:
    """Ask the function; where it does something else just now, it says to ask again."""
    try:
        ask.ask(question)
    except RefusedError as error:
        if "try again" not in str(error):
            raise
        return False
    return True


def steps(life: KubernetesLife) -> dict[str, Callable[[], str]]:
    """Return what is done, in its order."""
    trouble, strangers = Trouble(life), Strangers(life)
    return {
        "create one and one": trouble.create,
        "forged requests for certificates": strangers.forge,
        "a role that the cluster does not know": strangers.other_role,
        "a worker's role on an instance of another group": strangers.stranger,
        "the authenticator down while a worker is added": trouble.no_authenticator,
        "a pod that cannot be evicted": trouble.pod_that_stays,
        "the API's load balancer gone, and back": trouble.no_balancer,
        "a certificate in its last quarter": trouble.renew,
        "a manifest that the API server refuses": trouble.refused_manifest,
        "etcd full, and mended": trouble.no_space,
    }
