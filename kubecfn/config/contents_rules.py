"""What namespaces, manifests, charts and access cannot say alone: unique names, names that are somebody else's, what must be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from kubecfn.config.contents import Access, Chart
from kubecfn.config.models import Config
from kubecfn.errors import Problem

# There without being asked for; only these two are for what an operator brings.
KUBERNETES_OWN = ("default", "kube-node-lease", "kube-public", "kube-system")
_USABLE = ("default", "kube-system")
# Users are NAME:SESSION, and a session's name is free: `system` could call itself system:kube-scheduler.
_RESERVED_ACCESS = frozenset({"aws", "eks", "k8s", "kubecfn", "kubernetes", "system"})
# EC2: "Tag restrictions": 50 on an instance, of which kubecfn and the cloud provider use 12; one tag tells of each access.
_MOST_TAGS = 38


def contents_problems(config: Config) -> Iterator[Problem]:
    """Yield everything in what an operator lays into the cluster that does not fit together."""
    yield from _namespaces(config)
    yield from _repeated("manifests", config.manifests)
    yield from _repeated("charts[].name", [chart.name for chart in config.charts])
    for position, chart in enumerate(config.charts):
        yield from _chart(f"charts[{position}]", chart, config)
    yield from _access(config)


def _repeated(path: str, names: Sequence[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(path, name, f"stands there {count} times", "Keep one.")


def _namespaces(config: Config) -> Iterator[Problem]:
    yield from _repeated("namespaces[].name", [namespace.name for namespace in config.namespaces])
    for position, namespace in enumerate(config.namespaces):
        path = f"namespaces[{position}]"
        if namespace.name == "default" or namespace.name.startswith("kube-"):
            # Kubernetes: "Namespaces", section "Initial namespaces": the prefix is reserved.
            yield Problem(f"{path}.name", namespace.name, "belongs to Kubernetes", "Choose another name.")
        for key in namespace.labels:
            if key.startswith("pod-security.kubernetes.io/"):
                yield Problem(f"{path}.labels", key, "is what pod_security says", f"Write {path}.pod_security.")


def _chart(path: str, chart: Chart, config: Config) -> Iterator[Problem]:
    from_registry = chart.chart.startswith("oci://")
    if from_registry and chart.repo:
        yield Problem(f"{path}.repo", chart.repo, "has no meaning for a chart of a registry", "Remove it.")
    if chart.repo and not chart.repo.startswith("https://"):
        yield Problem(
            f"{path}.repo", chart.repo, "is not an https:// address", "Write the repository's https:// address."
        )
    if chart.repo and "/" in chart.chart and not from_registry:
        yield Problem(f"{path}.chart", chart.chart, "must be the chart's name in repo", "Write the name alone.")
    if (from_registry or chart.repo) and chart.version is None:
        reason = "is required for a chart of a registry or a repository: without it tomorrow's would be another"
        yield Problem(f"{path}.version", "", reason, "Write the exact version, e.g. 1.2.3.")
    if not from_registry and not chart.repo and chart.version is not None:
        reason = "has no meaning for a folder or a .tgz: its Chart.yaml has the version"
        yield Problem(f"{path}.version", chart.version, reason, "Remove it, or name the chart's repo.")
    if "://" in chart.chart and not from_registry:
        yield Problem(
            f"{path}.chart", chart.chart, "is no path and no registry", "Write oci://…, or a name and its repo."
        )
    if "-" in chart.values_files:
        yield Problem(f"{path}.values_files", "-", "would be read from standard input", "Name a file.")
    yield from _exists(f"{path}.namespace", chart.namespace, config, _USABLE)


def _exists(path: str, namespace: str, config: Config, beside: tuple[str, ...]) -> Iterator[Problem]:
    if namespace not in {*beside, *(one.name for one in config.namespaces)}:
        known = f"{', '.join(beside)} or one of namespaces"
        yield Problem(path, namespace, f"is not {known}", f"Add it: namespaces: [{{name: {namespace}}}].")


def _access(config: Config) -> Iterator[Problem]:
    names = Counter(access.name for access in config.access)
    yield from _repeated("access[].name", list(names.elements()))
    titles = Counter(access.title for access in config.access)
    for access in config.access:
        if names[access.name] == 1 and titles[access.title] > 1:
            reason = "differs from another name by '-' alone"
            remedy = "Resources of a stack have no '-' in their names: rename one."
            yield Problem("access[].name", access.name, reason, remedy)
    if len(config.access) + len(config.tags) > _MOST_TAGS:
        reason = f"and {len(config.tags)} tags are more than {_MOST_TAGS}: each is a tag of the controllers"
        yield Problem("access", f"{len(config.access)} entries", reason, "Remove some of tags or access.")
    for position, access in enumerate(config.access):
        yield from _one_access(f"access[{position}]", access, config)


def _one_access(path: str, access: Access, config: Config) -> Iterator[Problem]:
    if access.name in _RESERVED_ACCESS:
        reason = "is reserved: its users would have the names of Kubernetes' or kubecfn's own"
        yield Problem(f"{path}.name", access.name, reason, "Choose another name.")
    for principal in access.principals:
        if principal.split(":")[1] != config.partition:
            reason = f"is not in {config.region}'s partition {config.partition}, and no role can trust across"
            yield Problem(f"{path}.principals", principal, reason, f"Write arn:{config.partition}:….")
    yield from _repeated(f"{path}.principals", access.principals)
    yield from _repeated(f"{path}.namespaces", access.namespaces)
    for namespace in access.namespaces:
        yield from _exists(f"{path}.namespaces", namespace, config, KUBERNETES_OWN)
