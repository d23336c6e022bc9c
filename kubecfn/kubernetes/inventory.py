"""The list of what was applied, in a ConfigMap of the cluster itself."""

from __future__ import annotations

from collections.abc import Iterable

from kubecfn.kubernetes.client import Client, KubernetesError
from kubecfn.kubernetes.objects import Name

NAMESPACE = "kube-system"
_KEY = "objects"
_NOT_FOUND = 404


class Inventory:
    """One list: a line for each object, ``VERSION KIND NAMESPACE NAME``, with ``-`` for no namespace.

    Args:
        client: of the cluster.
        name: of the ConfigMap in kube-system.
        manager: whose field it is.
    """

    def __init__(self, client: Client, name: str, manager: str) -> None:
        self._client, self._manager = client, manager
        self.named = Name("v1", "ConfigMap", NAMESPACE, name)
        self._path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}"

    def read(self) -> list[Name]:
        """Return what was applied; nothing when there is no list yet.

        Raises:
            KubernetesError: it could not be read, or a line is none of ours.
        """
        try:
            told = self._client.get(self._path).get("data", {}).get(_KEY, "")
        except KubernetesError as error:
            if error.status != _NOT_FOUND:
                raise
            return []
        return [self._named(line) for line in told.splitlines() if line.strip()]

    def write(self, names: Iterable[Name]) -> None:
        """Write the list; of two versions of one object the first counts.

        Raises:
            KubernetesError: it was refused.
        """
        unique: dict[tuple[str, str, str, str], Name] = {}
        for one in names:
            unique.setdefault(one.identity, one)
        lines = sorted(f"{one.version} {one.kind} {one.namespace or '-'} {one.name}\n" for one in unique.values())
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.named.name, "namespace": NAMESPACE},
            "data": {_KEY: "".join(lines)},
        }
        self._client.apply(self._path, body, manager=self._manager)

    def _named(self, line: str) -> Name:
        parts = line.split()
        if len(parts) != 4:  # noqa: PLR2004  see the class
            raise KubernetesError(0, "Inventory", f"a line names no object: {line[:80]!r}; remove it")
        version, kind, namespace, name = parts
        return Name(version, kind, "" if namespace == "-" else namespace, name)
