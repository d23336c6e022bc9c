"""Workers as the API server and AWS know them: pools with hooks, nodes and pods without machines, a kubelet that obeys."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kubecfn.addons import joining
from kubecfn.kubernetes.client import KubernetesError
from kubecfn.local.api import Service, ServiceError
from kubecfn.local.embedded import EmbeddedAws
from tests.kubernetes.server import running
from tests.kubernetes.sts import RefusedError, signer, url_of

CLUSTER, DOMAIN, POOL, HOOK = "payments", "payments.k8s.example.com", "payments-PoolGeneral-1", "worker-terminating"
REGION, NODE_LOG, BUCKET = "eu-central-1", "/kubecfn/payments/nodes", "payments-artifacts"
WAITS = "Terminating:Wait"
STACK_ID = f"arn:aws:cloudformation:{REGION}:123456789012:stack/{CLUSTER}/1"
DRAINER = {"username": "kubecfn:drain", "groups": ["kubecfn:drainers"]}


@dataclass
class Pools:
    """One pool's group, its hook and the stack, in memory."""

    status: str = "UPDATE_COMPLETE"
    states: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    beats: list[str] = field(default_factory=list)

    def service(self, _world):
        """Answer what the function asks of auto scaling and CloudFormation."""
        operations = {
            ("autoscaling", "DescribeAutoScalingGroups"): self.describe,
            ("autoscaling", "CompleteLifecycleAction"): self.complete,
            ("autoscaling", "RecordLifecycleActionHeartbeat"): self.heartbeat,
            ("cloudformation", "DescribeStacks"): lambda _: {
                "Stacks": [{"StackName": CLUSTER, "StackId": STACK_ID, "StackStatus": self.status}]
            },
        }
        return Service(operations, lambda: None)

    def describe(self, call):
        """Describe the one pool, by its tags; by its name it is asked for by whoever judges rights."""
        if "Filters" in call.params:
            wanted = {one["Name"]: one["Values"] for one in call.params["Filters"]}
            assert wanted == {"tag:kubecfn:cluster": [CLUSTER], "tag:kubecfn:role": ["worker"]}
        instances = [{"InstanceId": one, "LifecycleState": state} for one, state in self.states.items()]
        arn = f"arn:aws:autoscaling:{REGION}:123456789012:autoScalingGroup:1:autoScalingGroupName/{POOL}"
        found = {"AutoScalingGroupName": POOL, "AutoScalingGroupARN": arn, "Instances": instances}
        return {"AutoScalingGroups": [found]}

    def complete(self, call):
        """Take one answer for an instance that waits."""
        instance = self._waiting(call)
        self.told.append((instance, call.params["LifecycleActionResult"]))
        self.states[instance] = "Terminating:Proceed"
        return {}

    def heartbeat(self, call):
        """Note that a hook is kept waiting."""
        self.beats.append(self._waiting(call))
        return {}

    def _waiting(self, call):
        instance = call.params["InstanceId"]
        assert (call.params["AutoScalingGroupName"], call.params["LifecycleHookName"]) == (POOL, HOOK)
        if self.states.get(instance) != WAITS:
            raise ServiceError("ValidationError", f"No active Lifecycle Action found with instance ID {instance}")
        return instance


class Cluster:
    """A real API server with the real disruption controller; nodes and pods are plain objects.

    Attributes:
        admin: a client that may do everything.
        alive: nodes whose kubelet ends pods that are to end.
    """

    def __init__(self, server):
        self.server = server
        self.admin = server.admin
        self.alive = set()
        self._numbers = iter(range(1000))
        self._stop = threading.Event()
        self._kubelet = threading.Thread(target=self._obey, daemon=True)

    def rights(self):
        """Let the function's group do what the cluster's own manifest allows it, and nothing else."""
        api = "/apis/rbac.authorization.k8s.io/v1"
        for one in joining.objects():
            if one["metadata"]["name"] == "kubecfn:drain":
                self.admin.create(f"{api}/{one['kind'].lower()}s", one)

    def namespace(self):
        """Make a namespace in which pods can be made; return its name."""
        name = f"shop-{next(self._numbers)}"
        self.admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
        account = {"metadata": {"name": "default"}}
        with contextlib.suppress(KubernetesError):  # the controller may have been quicker
            self.admin.create(f"/api/v1/namespaces/{name}/serviceaccounts", account)
        return name

    def node(self, ready="True", *, alive=True, since=""):
        """Make a node; return its name, which is an instance's id."""
        name = f"i-0{next(self._numbers):07x}"
        about = {"name": name}
        if since:
            about["annotations"] = {"kubecfn.io/leaving-since": since}
        self.admin.create("/api/v1/nodes", {"metadata": about})
        status = {"conditions": [{"type": "Ready", "status": ready, "reason": "x", "message": "x"}]}
        self.admin.patch(f"/api/v1/nodes/{name}/status", {"status": status})
        if alive:
            self.alive.add(name)
        return name

    def pod(self, namespace, name, node, *, ready=True, owner="ReplicaSet", **spec):
        """Make a pod that runs on a node."""
        about = {"name": name, "labels": {"app": "web"}}
        if owner:
            about["ownerReferences"] = [
                {"apiVersion": "apps/v1", "kind": owner, "name": "x", "uid": "1", "controller": True}
            ]
        body = {"containers": [{"name": "c", "image": "x"}], "nodeName": node, "terminationGracePeriodSeconds": 1}
        self.admin.create(f"/api/v1/namespaces/{namespace}/pods", {"metadata": about, "spec": body | spec})
        self.ready(namespace, name, ready=ready)

    def ready(self, namespace, name, *, ready=True):
        """Let a pod be ready, or not."""
        condition = {"type": "Ready", "status": str(ready)}
        status = {"status": {"phase": "Running", "conditions": [condition]}}
        self.admin.patch(f"/api/v1/namespaces/{namespace}/pods/{name}/status", status)

    def attach(self, volume, node):
        """Say that a volume is attached to a node; return what says otherwise."""
        path, name = "/apis/storage.k8s.io/v1/volumeattachments", f"csi-{volume}-{node}"
        spec = {"attacher": "ebs.csi.aws.com", "nodeName": node, "source": {"persistentVolumeName": volume}}
        self.admin.create(path, {"metadata": {"name": name}, "spec": spec})
        return lambda: self.admin.delete(f"{path}/{name}")

    def budget(self, namespace, available=1):
        """Guard the pods of a namespace by a real disruption budget, and wait until it counts."""
        spec = {"minAvailable": available, "selector": {"matchLabels": {"app": "web"}}}
        path = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
        self.admin.create(path, {"metadata": {"name": "web"}, "spec": spec})
        self.until(lambda: self.allowed(namespace) is not None)

    def allowed(self, namespace):
        """Return how many pods may go now; None before anybody has counted."""
        found = self.admin.get(f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/web")
        status = found.get("status", {})
        return status.get("disruptionsAllowed", 0) if status.get("observedGeneration") else None

    def pods(self, node):
        """Return the names of the pods of a node."""
        found = self.admin.list("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")
        return sorted(one["metadata"]["name"] for one in found)

    def nodes(self):
        """Return the names of the nodes that there are."""
        return {one["metadata"]["name"] for one in self.admin.list("/api/v1/nodes")}

    def until(self, holds, seconds=10.0):
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, "did not happen in time"
            time.sleep(0.03)
        return found

    def start(self):
        """Let kubelets obey."""
        self._kubelet.start()

    def stop(self):
        """End them."""
        self._stop.set()
        self._kubelet.join()

    def _obey(self):
        while not self._stop.wait(0.05):
            with contextlib.suppress(KubernetesError):
                for one in self.server.admin.list("/api/v1/pods"):
                    about = one["metadata"]
                    ends = about.get("deletionTimestamp") and not about.get("finalizers")
                    if ends and one["spec"].get("nodeName") in self.alive:
                        path = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}"
                        self.server.admin.delete(path, {"gracePeriodSeconds": 0})


class Authenticator(BaseHTTPRequestHandler):
    """The token webhook: whoever signed a question for this cluster with a key of the account is the function."""

    secrets: dict[str, str]

    def do_POST(self):
        """Review one token."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            signer(url_of(review["spec"]["token"]), DOMAIN, self.secrets)
            status = {"authenticated": True, "user": DRAINER}
        except RefusedError as error:
            status = {"authenticated": False, "error": str(error)}
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Be quiet."""


@contextlib.contextmanager
def serving(handler):
    """Serve on loopback; give the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def living_cluster(folder, secrets):
    """Run the API server, its disruption controller and kubelets; tokens are those of keys in `secrets`."""
    webhook = folder / "webhook.json"
    with serving(type("Bound", (Authenticator,), {"secrets": secrets})) as url:
        webhook.write_text(_kubeconfig(url))
        flags = {
            "authentication-token-webhook-config-file": webhook,
            "authentication-token-webhook-version": "v1",
            "authentication-token-webhook-cache-ttl": "1s",
        }
        with running(flags=flags) as server, _controllers(server):
            cluster = Cluster(server)
            cluster.rights()
            cluster.start()
            yield cluster
            cluster.stop()


def _kubeconfig(url):
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "x", "cluster": {"server": url}}],
            "users": [{"name": "x", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "current-context": "x",
        }
    )


@contextlib.contextmanager
def _controllers(server):
    """Run those parts of the real controller manager that disruption budgets need."""
    admin = server.kubeconfig(server.folder / "controllers.conf", "kubernetes-admin", "system:masters")
    command = [
        server.programs / "kube-controller-manager",
        f"--kubeconfig={admin}",
        "--controllers=disruption-controller",
        "--leader-elect=false",
        "--secure-port=0",
    ]
    with (server.folder / "controllers.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=server.folder)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def opened_account(folder):
    """Open an account with a pool, a bucket and the nodes' log."""
    pools = Pools()
    with EmbeddedAws(workdir=folder, region=REGION, services=[pools.service]) as aws:
        place = {"LocationConstraint": REGION}
        aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        aws.client("logs").create_log_group(logGroupName=NODE_LOG)
        yield aws, pools


def authority(aws, path):
    """Upload an authority's certificate as the command line does; return its key."""
    data = json.dumps({"ca": path.read_text()}).encode()
    key = f"{CLUSTER}/functions/kubernetes-ca-{hashlib.sha256(data).hexdigest()}.json"
    aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=data)
    return key
