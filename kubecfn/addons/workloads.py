"""How system components run: nobody's root, nothing more than they need, two of them, never both in one place.

What speaks to AWS runs in the network of a controller: only there the instance's role can be had (IMDS hop limit 1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from kubecfn.addons.manifest import SYSTEM, Object, metadata
from kubecfn.node.facts import API_PORT, Cluster

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
# The control plane's nodes are always there; a cluster may have no workers.
ON_ANY_NODE: tuple[Object, ...] = (
    {"key": "CriticalAddonsOnly", "operator": "Exists"},
    {"key": CONTROL_PLANE, "effect": "NoSchedule"},
)
# A controller's security group lets nobody in who asks a pod there by an address of the VPC's.
ON_WORKERS = ON_ANY_NODE[:1]
ON_EVERY_NODE: tuple[Object, ...] = ({"operator": "Exists"},)
NOBODY = 65532
_LABEL = "app.kubernetes.io/name"


def labels_of(name: str) -> dict[str, str]:
    """Return the labels by which an add-on's pods are selected."""
    return {_LABEL: name}


def container(
    name: str,
    image: str,
    *,
    args: Iterable[str],
    cpu: str,
    memory: str,
    may: Iterable[str] = (),
    writes: bool = False,
    **more: Any,
) -> Object:
    """Return a container that has no more rights than it needs.

    Args:
        name: of the container.
        image: with its tag.
        args: of the image's own program, or of `command` where that is given among `more`.
        cpu: that it requests.
        memory: that it requests.
        may: Linux capabilities that it keeps; all others are dropped.
        writes: it writes to its root file system.
        more: further fields.
    """
    kept = list(may)
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": list(args),
        "resources": {"requests": {"cpu": cpu, "memory": memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": not writes,
            "capabilities": {"drop": ["ALL"], **({"add": kept} if kept else {})},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **more,
    }


def privileged(made: Object) -> Object:
    """Return a container with all rights over its node."""
    return {**made, "securityContext": {"privileged": True, "readOnlyRootFilesystem": True}}


def before_services(cluster: Cluster, made: Object) -> Object:
    """Return a container that reaches the API by its name: it works before services do, on a controller its own server."""
    found = [
        {"name": "KUBERNETES_SERVICE_HOST", "value": cluster.api},
        {"name": "KUBERNETES_SERVICE_PORT", "value": str(API_PORT)},
    ]
    return {**made, "env": [*made.get("env", []), *found]}


def pod(account: str, containers: Iterable[Object], *, user: int | None = NOBODY, **more: Any) -> Object:
    """Return what a pod of a system component is.

    Args:
        account: its service account.
        containers: those that run.
        user: who runs them and owns what they write; None for root.
        more: further fields; they win.
    """
    who: Object = {"seccompProfile": {"type": "RuntimeDefault"}}
    if user is not None:
        who |= {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": user, "fsGroup": user}
    return {
        "serviceAccountName": account,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "securityContext": who,
        "containers": list(containers),
        **more,
    }


def of_host() -> Object:
    """Return the fields of a pod in its node's own network, which finds names as the node does."""
    return {"hostNetwork": True, "dnsPolicy": "Default"}


def on_controllers() -> Object:
    """Return the fields of a pod in the network of a controller, from before the node is known to be ready."""
    early = ("node.cloudprovider.kubernetes.io/uninitialized", "node.kubernetes.io/not-ready")
    return {
        **of_host(),
        "nodeSelector": {"kubernetes.io/os": "linux", CONTROL_PLANE: ""},
        "tolerations": [*ON_ANY_NODE, *({"key": key, "operator": "Exists"} for key in early)],
    }


def daemon_set(name: str, spec: Object, *, namespace: str = SYSTEM, at_once: int | str = "10%") -> Object:
    """Return a DaemonSet.

    Args:
        name: of the set and its pods.
        spec: of a pod.
        namespace: where it is.
        at_once: how many of its pods an update may replace at a time.
    """
    chosen = labels_of(name)
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(name, namespace, labels=chosen),
        "spec": {
            "selector": {"matchLabels": chosen},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": at_once}},
            "template": {"metadata": {"labels": chosen}, "spec": {**spec, "priorityClassName": "system-node-critical"}},
        },
    }


def restarted_with(workload: Object, *read: Object) -> Object:
    """Return a workload whose pods are replaced when what they read at their start changes.

    Args:
        workload: a DaemonSet or a Deployment.
        read: ConfigMaps.
    """
    written = json.dumps([one["data"] for one in read], sort_keys=True).encode()
    template = workload["spec"]["template"]
    note = {"annotations": {"kubecfn.io/configuration": hashlib.sha256(written).hexdigest()}}
    with_note = {**template, "metadata": {**template["metadata"], **note}}
    return {**workload, "spec": {**workload["spec"], "template": with_note}}


def deployment(name: str, spec: Object, *, replicas: int = 2, labels: dict[str, str] | None = None) -> list[Object]:
    """Return a Deployment of kube-system and the budget that keeps one of its pods when nodes are drained.

    Pods are spread over nodes and, where they can be, over zones. One goes before another comes: in a controller's
    network two would want the same ports.
    """
    chosen = labels or labels_of(name)
    spread = [_apart("kubernetes.io/hostname", "DoNotSchedule", chosen)]
    spread.append(_apart("topology.kubernetes.io/zone", "ScheduleAnyway", chosen))
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata(name, labels=chosen),
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": chosen},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
                "template": {"metadata": {"labels": chosen}, "spec": {**spec, "topologySpreadConstraints": spread}},
            },
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(name),
            "spec": {
                "maxUnavailable": 1,
                # A pod that never was well must not hold a drain.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": chosen},
            },
        },
    ]


def _apart(where: str, otherwise: str, chosen: dict[str, str]) -> Object:
    """Return the rule that the pods of one version are as many in each place; a single place takes them all."""
    return {
        "maxSkew": 1,
        "topologyKey": where,
        "whenUnsatisfiable": otherwise,
        "labelSelector": {"matchLabels": chosen},
        "matchLabelKeys": ["pod-template-hash"],
    }


def probe(path: str, port: int, **more: Any) -> Object:
    """Return a probe by HTTP; `host` and `scheme` are among `more`'s to set."""
    where = {key: more.pop(key) for key in ("host", "scheme") if key in more}
    return {"httpGet": {"path": path, "port": port, **where}, **more}
