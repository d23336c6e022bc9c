"""What a Helm chart is to a cluster of ours: plain objects, the same at every rendering, none that must run at a moment of Helm's.

Helm's hooks are things to do at moments that only Helm knows. Here

1. tests, and what belongs to a deletion or a roll-back, are left out: those moments never come;
2. of what belongs to an installation or an upgrade, Jobs and Pods are refused: an object that is applied again and again
   has no "before" and no "after", and a Job cannot be changed (Kubernetes: "Jobs");
3. everything else (a ServiceAccount, a ConfigMap, a definition) is applied like any other object.

Source: Helm, "Chart Hooks".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubecfn.addons.manifest import Manifest, Object
from kubecfn.charts.helm import Helm
from kubecfn.charts.objects import read_objects
from kubecfn.charts.scopes import defined_by, placed
from kubecfn.config.contents import Chart
from kubecfn.errors import WrongUseError

_HOOK = "helm.sh/hook"
_COMES = frozenset({"pre-install", "post-install", "pre-upgrade", "post-upgrade"})
_RUNS = frozenset({"Job", "Pod"})


def chart_manifests(
    charts: Sequence[Chart], folder: Path, kubernetes: str, helm: Helm, defined: frozenset[tuple[str, str]]
) -> tuple[Manifest, ...]:
    """Return each chart's objects as a manifest ``chart-NAME``.

    Args:
        charts: of the configuration.
        folder: of the configuration file.
        kubernetes: the cluster's version.
        helm: renders them.
        defined: cluster-wide custom resources that other manifests define.

    Raises:
        KubecfnError: a chart cannot be fetched, does not render, renders differently each time, or has hooks that run.
    """
    once, again = helm.rendered_twice(charts, folder, kubernetes)
    read = []
    for chart, first, second in zip(charts, once, again, strict=True):
        objects = read_objects(first, f"The chart {chart.name}, as it renders,")
        if first != second:
            raise _not_the_same(chart, objects, read_objects(second, f"The chart {chart.name}"))
        read.append(Manifest(f"chart-{chart.name}", without_hooks(chart.name, objects)))
    known = defined | defined_by(one for manifest in read for one in manifest.objects)
    return tuple(_placed(manifest, chart, known) for manifest, chart in zip(read, charts, strict=True))


def _placed(manifest: Manifest, chart: Chart, defined: frozenset[tuple[str, str]]) -> Manifest:
    return replace(manifest, objects=tuple(placed(one, chart.namespace, defined) for one in manifest.objects))


def without_hooks(chart: str, objects: Sequence[Object]) -> tuple[Object, ...]:
    """Return what is applied of a chart's objects.

    Raises:
        WrongUseError: a hook that runs something.
    """
    kept = []
    for one in objects:
        events = {event.strip() for event in str((one["metadata"].get("annotations") or {}).get(_HOOK, "")).split(",")}
        if events != {""} and not events & _COMES:
            continue
        if events & _COMES and one["kind"] in _RUNS:
            when = ", ".join(sorted(events & _COMES))
            raise WrongUseError(
                f"The chart {chart} wants {one['kind']} {one['metadata']['name']} run at {when}, and kubecfn applies objects only.",
                remedy="Switch it off in the chart's values and do what it does in another way, e.g. with a manifest of yours.",
            )
        kept.append(one)
    return tuple(kept)


def _not_the_same(chart: Chart, first: Sequence[Object], second: Sequence[Object]) -> WrongUseError:
    where = "the number of its objects differs"
    for one, other in zip(first, second, strict=False):
        if one != other:
            path = _difference(one, other)
            where = f"{one['kind']} {one['metadata']['name']} differs" + (f" at {path}" if path else "")
            break
    return WrongUseError(
        f"The chart {chart.name} renders differently each time: {where}.",
        remedy="Random or dated values would roll the controllers at every apply: set them in charts[].values, or name a Secret that exists.",
    )


def _difference(one: Any, other: Any) -> str:
    """Return the path of the first difference: ``data.password``."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            if one.get(key) != other.get(key):
                below = _difference(one.get(key), other.get(key))
                return f"{key}.{below}" if below else str(key)
    if isinstance(one, list) and isinstance(other, list):
        for position, (left, right) in enumerate(zip(one, other, strict=False)):
            if left != right:
                below = _difference(left, right)
                return f"{position}.{below}" if below else str(position)
    return ""
