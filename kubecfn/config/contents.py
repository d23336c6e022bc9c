"""What an operator lays into the cluster besides its add-ons: namespaces, manifests, Helm charts, and who may do what in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from kubecfn.config.types import (
    AccessName,
    ChartVersion,
    ClusterRoleName,
    LabelKey,
    LabelValue,
    NamespaceName,
    Part,
    PrincipalArn,
    refusal,
)

PodSecurityLevel = Literal["privileged", "baseline", "restricted"]
_LONGEST_PATH = 1024
# Kubernetes: "Annotations"; all of an object's together may have 256 KiB.
_LONGEST_ANNOTATION = 16384
FilePath = Annotated[str, Field(min_length=1, max_length=_LONGEST_PATH)]


def _as_text(value: object) -> object:
    """Return what YAML read as a number or a boolean as a flag has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def _a_flag(value: str) -> str:
    if not value.replace("-", "").isalnum() or value.startswith("-") or value != value.lower():
        raise refusal("is not the name of a flag", "Write it as max-pods, without the dashes before it.")
    return value


FlagName = Annotated[str, AfterValidator(_a_flag)]
FlagValue = Annotated[str, BeforeValidator(_as_text), WithJsonSchema({"type": ["string", "integer", "boolean"]})]


class Namespace(Part):
    """A namespace that the cluster shall have; taken out, it is deleted, unless somebody else keeps objects in it."""

    name: NamespaceName
    """Unique in the cluster."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict, max_length=50)
    """Labels of its own."""
    annotations: dict[LabelKey, Annotated[str, Field(max_length=_LONGEST_ANNOTATION)]] = Field(
        default_factory=dict, max_length=50
    )
    """Annotations of its own."""
    pod_security: PodSecurityLevel = "baseline"
    """Pods that this Pod Security Standard forbids are refused; privileged forbids nothing."""


class Chart(Part):
    """A Helm chart, rendered on the operator's machine; what it renders to is applied as plain objects."""

    name: NamespaceName
    """The release's name, unique in the cluster."""
    chart: FilePath
    """A folder or .tgz beside the configuration, oci://REGISTRY/NAME, or a name in `repo`."""
    repo: Annotated[str, Field(max_length=_LONGEST_PATH)] | None = None
    """Address (https://) of the repository that has the chart."""
    version: ChartVersion | None = None
    """Its exact version; required for a chart of a registry or a repository."""
    namespace: NamespaceName = "default"
    """Where its objects lie: default, kube-system, or one of `namespaces`."""
    values: dict[str, Any] = Field(default_factory=dict)
    """Values; they win over the files. A number with a point is text here, as everywhere in this file."""
    values_files: tuple[FilePath, ...] = Field(default=(), max_length=20)
    """Files of values beside the configuration; the later wins."""


class Access(Part):
    """An IAM role that is for nothing but one kind of access to the Kubernetes API."""

    name: AccessName
    """Unique in the cluster; people name the role by it."""
    principals: tuple[PrincipalArn, ...] = Field(default=(), max_length=50)
    """ARNs of who may assume the role; default everybody in the account whose own rights say so."""
    cluster_role: ClusterRoleName = "view"
    """The Kubernetes ClusterRole: cluster-admin, admin, edit, view, or one of your own."""
    namespaces: tuple[NamespaceName, ...] = Field(default=(), max_length=50)
    """Where it holds; default the whole cluster."""

    @property
    def title(self) -> str:
        """Its name as the template has it: ``OnCall`` for on-call."""
        return "".join(word.capitalize() for word in self.name.split("-"))
