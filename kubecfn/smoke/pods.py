"""The objects of the two pods that try the network (see `kubecfn.smoke.network`). Nothing here reads a clock or the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubecfn.smoke.seen import CONTROL_PLANE

Object = dict[str, Any]
WORD = "kubecfn"
ASKED = 8053
_DNS, _HEALTH = 5353, 8080
_NOBODY = 65532
_ACCOUNT = "smoke"
_ANSWERS = f"""\
.:{_DNS} {{
    template IN TXT smoke.test {{
        answer "{{{{ .Name }}}} 1 IN TXT {WORD}"
    }}
    health :{_HEALTH}
}}
"""
# Without its plugin for TLS, CoreDNS speaks DNS over HTTP as it is; nobody but the API server's proxy asks here.
_ASKS = """\
https://pod.smoke.test:{port} {{
    forward . {pod}
}}
https://service.smoke.test:{port} {{
    forward . {service}
}}
https://.:{port} {{
    forward . /etc/resolv.conf
    health :{health}
}}
"""


def namespace_of(name: str) -> Object:
    """Return a namespace in which the strictest pods alone are let in: these are."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }


def objects_of(image: str, tolerations: list[Object], *, claim: str = "") -> Iterator[tuple[str, Object]]:
    """Yield the pod that answers with what belongs to it, each after its list's path.

    Args:
        image: CoreDNS's.
        tolerations: of the pod.
        claim: of a volume of the default class that it mounts; none when empty.
    """
    # The namespace's default one is made by a controller, in its own time.
    yield "serviceaccounts", {"metadata": {"name": _ACCOUNT}, "automountServiceAccountToken": False}
    yield "configmaps", _configuration("answers", _ANSWERS)
    ports = [{"name": f"dns-{how.lower()}", "port": 53, "targetPort": _DNS, "protocol": how} for how in ("UDP", "TCP")]
    yield "services", {"metadata": {"name": "answers"}, "spec": {"selector": {"app": "answers"}, "ports": ports}}
    if claim:
        wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        yield "persistentvolumeclaims", {"metadata": {"name": claim}, "spec": wanted}
    yield "pods", _pod("answers", image, tolerations, claim=claim)


def asking(image: str, tolerations: list[Object], pod: str, service: str, node: str) -> Iterator[tuple[str, Object]]:
    """Yield the pod that asks, on another node if it can be.

    Args:
        image: CoreDNS's.
        tolerations: of the pod.
        pod: address of the pod that answers.
        service: address of its service.
        node: where it runs.
    """
    told = _ASKS.format(port=ASKED, pod=f"{pod}:{_DNS}", service=service, health=_HEALTH)
    yield "configmaps", _configuration("asks", told)
    yield "pods", _pod("asks", image, tolerations, elsewhere_than=node)


def _configuration(name: str, corefile: str) -> Object:
    return {"metadata": {"name": name}, "data": {"Corefile": corefile}}


def _pod(name: str, image: str, tolerations: list[Object], *, claim: str = "", elsewhere_than: str = "") -> Object:
    volumes: list[Object] = [{"name": "configuration", "configMap": {"name": name}}]
    mounts: list[Object] = [{"name": "configuration", "mountPath": "/etc/coredns", "readOnly": True}]
    if claim:
        volumes.append({"name": "volume", "persistentVolumeClaim": {"claimName": claim}})
        mounts.append({"name": "volume", "mountPath": "/volume"})
    container = {
        "name": "coredns",
        "image": image,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "volumeMounts": mounts,
        "readinessProbe": {"httpGet": {"path": "/health", "port": _HEALTH}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            # The image's program asks for this one in its file's capabilities and would not start without; it is the one
            # that the restricted standard lets a pod keep (Kubernetes: "Pod Security Standards").
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        },
    }
    return {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "containers": [container],
            "volumes": volumes,
            "tolerations": tolerations,
            "affinity": {"nodeAffinity": _preferring(elsewhere_than)},
            "serviceAccountName": _ACCOUNT,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _NOBODY,
                "runAsGroup": _NOBODY,
                "fsGroup": _NOBODY,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    }


def _preferring(other: str) -> Object:
    """Return the wish for a worker, and for another node: not a must, since there may be only one."""
    workers = [{"key": CONTROL_PLANE, "operator": "DoesNotExist"}]
    wishes = [{"weight": 10, "preference": {"matchExpressions": workers}}]
    if other:
        elsewhere = [{"key": "metadata.name", "operator": "NotIn", "values": [other]}]
        wishes.append({"weight": 100, "preference": {"matchFields": elsewhere}})
    return {"preferredDuringSchedulingIgnoredDuringExecution": wishes}
