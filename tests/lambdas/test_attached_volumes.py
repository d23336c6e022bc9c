"""What the API server says of attached volumes, and what it does not say yet, while a cluster is rolled to this kubecfn."""

from __future__ import annotations

import pytest
from worker_lifecycle.nodes import Nodes

from kubecfn.kubernetes.client import KubernetesError

PODS, NODE = "/api/v1/pods", {"metadata": {"name": "i-0a"}, "spec": {}}


class Answers:
    """A client of a cluster with one node and no pods.

    Args:
        attached: nodes that a volume is attached to, or with what status it refuses to say.
    """

    def __init__(self, attached):
        self.attached = attached

    def get(self, _path):
        """Return the node."""
        return NODE

    def patch(self, _path, _change):
        """Return it as it was."""
        return NODE

    def list(self, path, **_query):
        """Yield no pods, and the attachments."""
        if path == PODS:
            return
        if isinstance(self.attached, int):
            raise KubernetesError(self.attached, "Refused", "not now")
        for node in self.attached:
            yield {"spec": {"nodeName": node, "source": {"persistentVolumeName": f"pvc-of-{node}"}}}


@pytest.mark.parametrize(
    ("attached", "volumes", "silence"),
    [
        pytest.param(["i-0a", "i-0b"], ("pvc-of-i-0a",), "", id="its own"),
        pytest.param(["i-0b"], (), "", id="another's"),
        pytest.param(403, (), "", id="it may not look yet"),
        pytest.param(500, (), "not now", id="nobody can say"),
    ],
)
def test_who_may_not_look_at_volumes_yet_drains_as_before(attached, volumes, silence):
    """The right comes with the cluster's manifests, after the function; any other refusal is waited for."""
    sight = Nodes(Answers(attached), budget=900).see("i-0a")

    assert (sight.volumes, sight.silence) == (volumes, silence)
