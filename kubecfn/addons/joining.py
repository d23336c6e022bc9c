"""What kubeadm's bootstrap-token phase would have allowed, without a token, and who drains workers.

That phase is skipped: its tokens are shared secrets, and it lets the controller manager approve whoever asks. Here a request
for a certificate is nobody's to approve but kubecfn's own approver (`kubecfn.node.approval`).

Source: kubeadm, "Implementation details", section "Allow Node Bootstrap tokens to post CSRs"; names are kubeadm's own, so that
what an `upgrade` of kubeadm's would write is the same.
"""

from __future__ import annotations

from kubecfn.addons.manifest import Object
from kubecfn.addons.rights import (
    binding,
    cluster_binding,
    cluster_role,
    group_subject,
    role,
    rule,
    user_subject,
)
from kubecfn.node.access import DRAINERS
from kubecfn.node.approval import NODES
from kubecfn.node.joining import BOOTSTRAPPERS

# kubeadm 1.36 on: the API server's client certificate for kubelets is in no privileged group any more.
_KUBELET_CLIENT = "kube-apiserver-kubelet-client"


def objects() -> list[Object]:
    """Return roles and bindings; the first that a worker needs."""
    joiners, nodes = group_subject(BOOTSTRAPPERS), group_subject(NODES)
    return [
        cluster_binding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", joiners),
        cluster_role("kubeadm:get-nodes", [rule("", "nodes", "get")]),
        cluster_binding("kubeadm:get-nodes", "kubeadm:get-nodes", joiners),
        *_may_read("kubeadm:nodes-kubeadm-config", "kubeadm-config", joiners, nodes),
        *_may_read("kubeadm:kubelet-config", "kubelet-config", nodes, joiners),
        cluster_binding("kubeadm:apiserver-kubelet-client", "system:kubelet-api-admin", user_subject(_KUBELET_CLIENT)),
        *_draining(),
    ]


def _may_read(name: str, config_map: str, *who: Object) -> list[Object]:
    return [role(name, [rule("", "configmaps", "get", config_map)]), binding(name, name, *who)]


def _draining() -> list[Object]:
    """Return what the function may do that empties workers before they go and forgets them (lambdas/worker_lifecycle)."""
    rules = [
        rule("", "nodes", "get patch delete"),
        rule("", "pods", "get list"),
        rule("", "pods/eviction", "create"),
        rule("storage.k8s.io", "volumeattachments", "list"),
    ]
    return [
        cluster_role("kubecfn:drain", rules),
        cluster_binding("kubecfn:drain", "kubecfn:drain", group_subject(DRAINERS)),
    ]
