"""Objects by name: what an object is called, where the API server keeps it, and which are sent before which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from kubecfn.kubernetes.client import Client, KubernetesError

Object = dict[str, Any]

# Whatever others refer to or are refused without comes first; what stands in the way of others comes last: a webhook
# that is registered before its pods are there refuses those very pods.
_FIRST = (
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "ResourceQuota",
    "LimitRange",
    "ServiceAccount",
    "ClusterRole",
    "Role",
    "ClusterRoleBinding",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "PersistentVolumeClaim",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Service",
)
_LAST = (
    "APIService",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
)
# Kubernetes' own groups have no dot, or end so; others are served through a CRD or by somebody's server.
_OWN_GROUPS = ".k8s.io"


@dataclass(frozen=True)
class Name:
    """What an object is called.

    Attributes:
        version: its apiVersion, e.g. ``apps/v1``.
        kind: e.g. ``Deployment``.
        namespace: empty for what belongs to none.
        name: of the object.
    """

    version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """The apiVersion's group; empty for Kubernetes' oldest."""
        return self.version.rpartition("/")[0]

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What stays the same when the object is written in another version of its group."""
        return self.group, self.kind, self.namespace, self.name

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def name_of(one: Object) -> Name:
    """Return what an object is called.

    Raises:
        ValueError: it does not say its apiVersion, kind or name.
    """
    metadata = one.get("metadata")
    about = metadata if isinstance(metadata, dict) else {}
    told = {"apiVersion": one.get("apiVersion"), "kind": one.get("kind"), "metadata.name": about.get("name")}
    for field, value in told.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"an object of kind {one.get('kind')!r} named {about.get('name')!r} has no {field}")
    return Name(one["apiVersion"], one["kind"], str(about.get("namespace") or ""), about["name"])


def flat(objects: Iterable[Object]) -> Iterator[Object]:
    """Yield the objects, and those inside of Lists."""
    for one in objects:
        if str(one.get("kind", "")).endswith("List") and isinstance(one.get("items"), list):
            yield from flat(one["items"])
        else:
            yield one


def ordered(objects: Iterable[Object]) -> list[Object]:
    """Return the objects in the order to apply them: by kind, and as they came within a kind."""
    return sorted(objects, key=lambda one: rank(name_of(one)))


def rank(name: Name) -> int:
    """Return where an object stands in the order: the smallest is applied first, and removed last."""
    if name.kind in _FIRST:
        return _FIRST.index(name.kind)
    if name.kind in _LAST:
        return len(_FIRST) + 2 + _LAST.index(name.kind)
    return len(_FIRST) + (1 if "." in name.group and not name.group.endswith(_OWN_GROUPS) else 0)


@dataclass(frozen=True)
class Kind:
    """How the API server serves a kind.

    Attributes:
        version: apiVersion.
        plural: its name in paths.
        namespaced: its objects belong to namespaces.
        verbs: what can be done with it.
    """

    version: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    def path(self, namespace: str = "") -> str:
        """Return the path of the list: of a namespace, or of all of them."""
        root = f"/apis/{self.version}" if "/" in self.version else f"/api/{self.version}"
        inside = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{self.plural}"


class Kinds:
    """What an API server serves; each version of a group is asked for once, and again for a kind that it did not have.

    Args:
        client: of the server.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, dict[str, Kind]] = {}

    def find(self, version: str, kind: str) -> Kind | None:
        """Return how a kind is served; None when it is not.

        Raises:
            KubernetesError: the server did not say.
        """
        if kind not in self._known.get(version, {}):
            self._known[version] = self._served(version)
        return self._known[version].get(kind)

    def path(self, name: Name) -> str:
        """Return the path of an object; one of a namespaced kind that names no namespace is in ``default``.

        Raises:
            KubernetesError: 404 when the kind is not served.
        """
        kind = self.find(name.version, name.kind)
        if kind is None:
            raise KubernetesError(404, "NoKind", f"the API server does not serve {name.version} {name.kind}")
        return f"{kind.path(name.namespace or 'default')}/{name.name}"

    def current(self, name: Name) -> str:
        """Return the path of an object that was written once, in whatever version its group is served now.

        Raises:
            KubernetesError: as `path`.
        """
        if self.find(name.version, name.kind) is None:
            for group in self._groups():
                version = str(group["preferredVersion"]["groupVersion"])
                if group["name"] == name.group and self.find(version, name.kind):
                    return self.path(replace(name, version=version))
        return self.path(name)

    def everything(self) -> Iterator[tuple[str, Kind]]:
        """Yield every kind by its name, each group in the version that the server prefers.

        Raises:
            KubernetesError: one group's server does not answer, e.g. that of metrics.
        """
        for version in ("v1", *(str(one["preferredVersion"]["groupVersion"]) for one in self._groups())):
            yield from self._served(version).items()

    def _groups(self) -> list[Object]:
        return list(self._client.get("/apis").get("groups") or ())

    def _served(self, version: str) -> dict[str, Kind]:
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        try:
            told = self._client.get(path)
        except KubernetesError as error:
            if error.status != 404:  # noqa: PLR2004  HTTP's
                raise
            return {}
        return {
            str(one["kind"]): Kind(version, str(one["name"]), bool(one["namespaced"]), frozenset(one.get("verbs", ())))
            for one in told.get("resources", ())
            if "/" not in one["name"]
        }
