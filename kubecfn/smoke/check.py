"""What a check is, and all of them done one after the other: whatever goes wrong in one is its answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kubecfn.errors import KubecfnError
from kubecfn.kubernetes.client import KubernetesError
from kubecfn.smoke.subject import Subject

COLUMNS = ("what", "", "found")
_MOST = 6
_PAUSE = 5.0


@dataclass(frozen=True)
class Result:
    """One check's answer.

    Attributes:
        name: of the check.
        ok: whether all is as it should be.
        words: what was found, or what is wrong.
    """

    name: str
    ok: bool
    words: str

    @property
    def cells(self) -> tuple[str, str, str]:
        """Its row below `COLUMNS`."""
        return self.name, "ok" if self.ok else "NOT OK", self.words


@dataclass(frozen=True)
class Found:
    """What a check found: `problems`, none when all is well, and what to say when it is."""

    problems: tuple[str, ...]
    good: str

    @property
    def words(self) -> str:
        """The problems, or that it is well."""
        shown = [*self.problems[:_MOST], *([f"and {len(self.problems) - _MOST} more"] if self.more else [])]
        return "; ".join(shown) if self.problems else self.good

    @property
    def more(self) -> bool:
        """Whether there are more problems than are told."""
        return len(self.problems) > _MOST


Check = Callable[[Subject], Found]


@dataclass(frozen=True)
class Report:
    """All answers."""

    cluster: str
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Whether every check was."""
        return all(one.ok for one in self.results)

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {"cluster": self.cluster, "ok": self.ok, "checks": [asdict(one) for one in self.results]}

    def check(self) -> None:
        """Raise when something is wrong.

        Raises:
            KubecfnError: names what.
        """
        wrong = [one.name for one in self.results if not one.ok]
        if wrong:
            raise KubecfnError(
                f"Not all is well with {self.cluster}: {', '.join(wrong)}.",
                remedy="kubecfn why and kubecfn status say more.",
            )


def found(problems: Iterable[str], good: str) -> Found:
    """Return what a check found."""
    return Found(tuple(problems), good)


def run(subject: Subject, checks: Mapping[str, Check], report: Callable[[Result], None] = lambda _: None) -> Report:
    """Do every check.

    Args:
        subject: the cluster.
        checks: by name, in their order.
        report: is told each answer as it comes.
    """
    results = []
    for name, check in checks.items():
        result = _one(subject, name, check)
        report(result)
        results.append(result)
    return Report(subject.config.name, tuple(results))


def until_well(
    look: Callable[[], Report],
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Report:
    """Look again until all is well, for so many seconds at most; return the last report.

    Args:
        look: does every check anew.
        seconds: 0 looks once.
        sleep: waits.
        monotonic: seconds that never jump.
    """
    end = monotonic() + seconds
    while True:
        report = look()
        if report.ok or monotonic() >= end:
            return report
        sleep(_PAUSE)


def _one(subject: Subject, name: str, check: Check) -> Result:
    try:
        answer = check(subject)
    except KubernetesError as error:
        return Result(name, ok=False, words=f"the API server did not tell: {error.message}")
    except KubecfnError as error:
        return Result(name, ok=False, words=str(error))
    return Result(name, not answer.problems, answer.words)
