"""What is applied together: a name and Kubernetes' own objects, as JSON has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
SYSTEM = "kube-system"


@dataclass(frozen=True)
class Manifest:
    """Objects of one add-on.

    Attributes:
        name: of the add-on.
        objects: in the order in which they are written; each has an apiVersion, a kind and a name.
    """

    name: str
    objects: tuple[Object, ...]


def metadata(name: str, namespace: str = SYSTEM, **more: Any) -> Object:
    """Return an object's metadata; an empty namespace means that it has none."""
    return {"name": name, **({"namespace": namespace} if namespace else {}), **more}


def config_map(name: str, data: dict[str, str], namespace: str = SYSTEM) -> Object:
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name, namespace), "data": data}


def service(name: str, labels: dict[str, str], ports: list[Object], **spec: Any) -> Object:
    """Return a Service of kube-system for the pods that have these labels."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, labels=labels),
        "spec": {"selector": labels, "ports": ports, **spec},
    }
