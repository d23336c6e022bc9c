"""The operator's own Helm: it fetches and renders charts, and nothing of a cluster is asked."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubecfn.config.contents import Chart
from kubecfn.errors import FileError, KubecfnError, WrongUseError

NAMED_BY = "KUBECFN_HELM"
_PATIENCE = 300.0  # seconds for a registry that answers slowly
# Whatever would let Helm speak with a cluster, or render for another one than was asked for.
_NOT_HANDED_ON = ("KUBECONFIG", "HELM_NAMESPACE", "HELM_DEBUG")
_HOUR = 3600
# 26 hours lie between them, so that it is another day in each at every moment.
_LATEST, _EARLIEST = 14 * _HOUR, -12 * _HOUR


def until_the_next_second() -> None:
    """Wait until the clock's seconds have moved on."""
    time.sleep(1 - time.time() % 1)


@dataclass(frozen=True)
class Helm:
    """A helm program.

    Attributes:
        program: where it is.
        pause: called between the two renderings; whatever looks at the clock then reads another time.
    """

    program: Path
    pause: Callable[[], None] = until_the_next_second

    def rendered_twice(
        self, charts: Sequence[Chart], folder: Path, kubernetes: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return each chart's rendering, and each chart's rendering at another time and day.

        Args:
            charts: in any order; so are the texts.
            folder: paths of charts and of values' files are relative to it.
            kubernetes: the cluster's version, e.g. ``1.36.3``.

        Raises:
            WrongUseError: a chart does not render, in Helm's own words.
            FileError: a chart or a file of values is not there.
            KubecfnError: a chart cannot be fetched.
        """
        with tempfile.TemporaryDirectory(prefix="kubecfn-charts-") as room:
            places = [self._fetched(chart, folder, Path(room, str(number))) for number, chart in enumerate(charts)]
            first, second = (Path(room, name) for name in ("latest", "earliest"))
            first.write_bytes(_time_zone(_LATEST))
            second.write_bytes(_time_zone(_EARLIEST))
            pairs = list(zip(charts, places, strict=True))
            once = tuple(self._rendered(chart, place, folder, kubernetes, first) for chart, place in pairs)
            self.pause()
            again = tuple(self._rendered(chart, place, folder, kubernetes, second) for chart, place in pairs)
        return once, again

    def _fetched(self, chart: Chart, folder: Path, room: Path) -> Path:
        """Return a chart's folder or archive on this machine."""
        if not chart.repo and not chart.chart.startswith("oci://"):
            place = folder / chart.chart
            if not place.exists():
                raise FileError(
                    f"The chart {chart.name} is not there: {place} does not exist.",
                    remedy="Mend charts[].chart; a chart of a repository needs its repo.",
                )
            return place.absolute()
        room.mkdir()
        source = ["--repo", chart.repo] if chart.repo else []
        told = ["pull", chart.chart, *source, "--version", str(chart.version), "--destination", str(room)]
        ended = self._run(told, folder)
        found = list(room.glob("*.tgz"))
        if ended.returncode or len(found) != 1:
            said = _words(ended.stderr) or "it left no archive"
            raise KubecfnError(
                f"The chart {chart.name} could not be fetched: {said}",
                remedy="Look at its chart, repo and version; a private registry needs `helm registry login` first.",
            )
        return found[0]

    def _rendered(self, chart: Chart, place: Path, folder: Path, kubernetes: str, zone: Path) -> str:
        """Return what a chart renders to; the operator's own time zone plays no part."""
        for name in chart.values_files:
            if not (folder / name).is_file():
                raise FileError(
                    f"The chart {chart.name} has no values: {folder / name} is no file.",
                    remedy="Mend charts[].values_files.",
                )
        files = [part for name in chart.values_files for part in ("--values", str((folder / name).absolute()))]
        target = ["--namespace", chart.namespace, "--kube-version", kubernetes, "--include-crds"]
        # The values come last and so win over the files.
        told = ["template", chart.name, str(place), *target, *files, "--values", "-"]
        ended = self._run(told, folder, stdin=json.dumps(chart.values), zone=zone)
        if ended.returncode:
            raise WrongUseError(
                f"The chart {chart.name} does not render. Helm says: {_words(ended.stderr)}",
                remedy="Nothing was sent. Mend its values, or the chart.",
            )
        return ended.stdout

    def _run(
        self, told: Sequence[str], folder: Path, stdin: str = "", zone: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not _points_elsewhere(name)}
        if zone:
            environment["TZ"] = f":{zone}"
        command = [str(self.program), *told]
        try:
            return subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                text=True,
                encoding="utf-8",
                check=False,
                cwd=folder,
                env=environment,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired as error:
            raise KubecfnError(
                f"helm {told[0]} did not end within {_PATIENCE:.0f} s.", remedy="Look at the registry and try again."
            ) from error
        except OSError as error:
            raise KubecfnError(
                f"{self.program} cannot be run: {error.strerror or error}.",
                remedy=f"Name Helm's program in {NAMED_BY}.",
            ) from error


def find_helm(environment: Mapping[str, str] = os.environ) -> Helm:
    """Return the Helm that KUBECFN_HELM names, or the one on the PATH.

    Raises:
        WrongUseError: there is none.
    """
    named = environment.get(NAMED_BY)
    found = shutil.which(named or "helm", path=environment.get("PATH"))
    if found is None:
        what = f"{NAMED_BY} names {named}, which is no program" if named else "there is no helm on the PATH"
        raise WrongUseError(
            f"The configuration has charts, and {what}.",
            remedy=f"Install Helm 3 or 4 (https://helm.sh/docs/intro/install), or name its program in {NAMED_BY}.",
        )
    return Helm(Path(found).absolute())


def _points_elsewhere(name: str) -> bool:
    return name in _NOT_HANDED_ON or name.startswith("HELM_KUBE")


def _words(stderr: str) -> str:
    """Return what Helm said, without its prefix and its warnings."""
    lines = [line for line in stderr.strip().splitlines() if line and not line.startswith(("WARNING:", "level=WARN"))]
    return " ".join(line.strip() for line in lines).removeprefix("Error: ") or "nothing"


def _time_zone(offset: int) -> bytes:
    """Return a zone file so many seconds east of Greenwich (RFC 9636, section 3.1); a machine need not have any."""
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    return b"TZif" + bytes(16) + counts + struct.pack(">lbb", offset, 0, 0) + b"HERE"[:3] + b"\0"
