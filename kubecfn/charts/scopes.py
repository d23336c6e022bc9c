"""Which objects lie in no namespace, and into which namespace those go that name none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

# Kubernetes: "API Overview", what ``kubectl api-resources --namespaced=false`` lists of the built-in groups.
_CLUSTER_SCOPED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "": frozenset({"Namespace", "Node", "PersistentVolume", "ComponentStatus"}),
        "admissionregistration.k8s.io": frozenset(
            {
                "MutatingAdmissionPolicy",
                "MutatingAdmissionPolicyBinding",
                "MutatingWebhookConfiguration",
                "ValidatingAdmissionPolicy",
                "ValidatingAdmissionPolicyBinding",
                "ValidatingWebhookConfiguration",
            }
        ),
        "apiextensions.k8s.io": frozenset({"CustomResourceDefinition"}),
        "apiregistration.k8s.io": frozenset({"APIService"}),
        "authentication.k8s.io": frozenset({"SelfSubjectReview", "TokenReview"}),
        "authorization.k8s.io": frozenset({"SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"}),
        "certificates.k8s.io": frozenset({"CertificateSigningRequest", "ClusterTrustBundle"}),
        "flowcontrol.apiserver.k8s.io": frozenset({"FlowSchema", "PriorityLevelConfiguration"}),
        "internal.apiserver.k8s.io": frozenset({"StorageVersion"}),
        "networking.k8s.io": frozenset({"IngressClass", "IPAddress", "ServiceCIDR"}),
        "node.k8s.io": frozenset({"RuntimeClass"}),
        "rbac.authorization.k8s.io": frozenset({"ClusterRole", "ClusterRoleBinding"}),
        "resource.k8s.io": frozenset({"DeviceClass", "DeviceTaintRule", "ResourceSlice"}),
        "scheduling.k8s.io": frozenset({"PriorityClass"}),
        "storage.k8s.io": frozenset(
            {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"}
        ),
        "storagemigration.k8s.io": frozenset({"StorageVersionMigration"}),
    }
)


def in_no_namespace(one: Mapping[str, Any], defined: frozenset[tuple[str, str]] = frozenset()) -> bool:
    """Return whether an object belongs to the whole cluster.

    Args:
        one: the object.
        defined: group and kind of the cluster-wide custom resources that are known (`defined_by`).
    """
    group, kind = one["apiVersion"].rpartition("/")[0], one["kind"]
    return kind in _CLUSTER_SCOPED.get(group, frozenset()) or (group, kind) in defined


def defined_by(objects: Iterable[Mapping[str, Any]]) -> frozenset[tuple[str, str]]:
    """Return group and kind of every cluster-wide custom resource that these objects define."""
    found = set()
    for one in objects:
        spec = one.get("spec")
        if one["kind"] == "CustomResourceDefinition" and isinstance(spec, dict) and spec.get("scope") == "Cluster":
            found.add((str(spec.get("group")), str(spec.get("names", {}).get("kind"))))
    return frozenset(found)


def placed(one: dict[str, Any], namespace: str, defined: frozenset[tuple[str, str]]) -> dict[str, Any]:
    """Return an object with a namespace where it needs one and names none, as Helm and kubectl would send it.

    Of a custom resource that nothing here defines the scope is not known: it is given the namespace, which the API
    server takes away again from what lies in none (apiserver: `EnsureObjectNamespaceMatchesRequestNamespace`).
    """
    if one["metadata"].get("namespace") or in_no_namespace(one, defined):
        return one
    return {**one, "metadata": {**one["metadata"], "namespace": namespace}}
