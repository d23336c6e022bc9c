"""What the demo's acts share: the account, the configuration as it stands, what was done so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubecfn.config import Config, found_from, load_text
from kubecfn.config.found import domain_of
from kubecfn.demo.proof import wait_until_dns_names
from kubecfn.deploy.apply import Outcome
from kubecfn.deploy.apply import apply as make_it_so
from kubecfn.deploy.apply import plan as make_plan
from kubecfn.deploy.aws import Aws
from kubecfn.deploy.explain import Explanation
from kubecfn.deploy.progress import Kind, Progress, Question, Reporter, Work
from kubecfn.errors import KubecfnError
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.local.fleet.machines import ProcessMachines
from kubecfn.ready import Ready, make_ready


@dataclass(frozen=True)
class Act:
    """One thing the demo did, and what came of it."""

    name: str
    result: str
    seconds: float

    @property
    def cells(self) -> tuple[str, str, str]:
        """Its row of the table."""
        return self.name, self.result, f"{self.seconds:.1f}"


@dataclass(frozen=True)
class Summary:
    """What really ran.

    Attributes:
        acts: in order.
        etcd: what the client that wrote all the time saw, as name and value.
        proof: what was recorded and what is left.
        files: reports that a person can open.
    """

    acts: tuple[Act, ...]
    etcd: tuple[tuple[str, str], ...]
    proof: tuple[tuple[str, str], ...]
    files: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "acts": [{"act": act.name, "result": act.result, "seconds": round(act.seconds, 2)} for act in self.acts],
            "etcd": dict(self.etcd),
            "proof": dict(self.proof),
            "files": [str(file) for file in self.files],
        }


@dataclass
class Stage:
    """Where the demo plays.

    Attributes:
        cloud: the account. `machines`: what runs its instances.
        folder: what a checkout's build/ is.
        text: the configuration as it stands.
    """

    cloud: EmbeddedAws
    machines: ProcessMachines
    aws: Aws
    folder: Path
    report: Reporter
    text: str
    acts: list[Act] = field(default_factory=list)

    @property
    def config(self) -> Config:
        """The configuration as it stands now."""
        return load_text(self.text, "the demo's configuration")

    @property
    def work(self) -> Work:
        """How work that waits does so here."""
        return Work(self.cloud.clock, self.report, "kubecfn status")

    @contextmanager
    def act(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time one act; what it yields takes the result's sentence."""
        self.report(Progress(Kind.STEP, f"\n── {name}"))
        results: list[str] = []
        start = time.monotonic()
        yield results.append
        self.acts.append(Act(name, "; ".join(results), time.monotonic() - start))

    def note(self, text: str) -> None:
        """Say one line."""
        self.report(Progress(Kind.NOTE, text))

    def edit(self, old: str, new: str) -> None:
        """Change the configuration as a person would in an editor."""
        if old not in self.text:
            raise KubecfnError(f"The demo's configuration has no line {old!r}.", remedy="Please report it.")
        self.text = self.text.replace(old, new)

    def ready(self) -> Ready:
        """Return what the configuration stands for now, ready to be sent."""
        return make_ready(
            self.config,
            self.aws,
            self.folder,
            source="the demo's configuration",
            clock=self.cloud.clock,
            report=self.report,
        )

    def plan(self, ready: Ready) -> Explanation:
        """Explain what applying it would do."""
        return make_plan(ready.deployment, self.aws, clock=self.cloud.clock, report=self.report)

    def apply(self, ready: Ready, *, meanwhile: Callable[[], object] = lambda: None) -> Outcome:
        """Apply it; `meanwhile` happens between the explanation and the answer, when everything is uploaded."""

        def ask(question: Question) -> bool:
            meanwhile()
            return self.say_yes(question)

        return make_it_so(ready.deployment, self.aws, ask=ask, clock=self.cloud.clock, report=self.report)

    def say_yes(self, question: Question) -> bool:
        """Answer as the demo's person does: yes, after the explanation was shown."""
        for line in question.lines:
            self.note(line)
        self.note(f"{question.text} yes")
        return True

    def controllers(self) -> frozenset[str]:
        """Return the controllers in service, once DNS names exactly those."""
        config = self.config
        domain = str(domain_of(config, found_from(config)))
        return wait_until_dns_names(self.cloud, domain, config.name, config.controllers.count)


@contextmanager
def logs_kept(cloud: EmbeddedAws, folder: Path) -> Iterator[None]:
    """Write what nodes and functions logged into a folder, one file for each log group, however the `with` ends."""
    try:
        yield
    finally:
        _write_logs(cloud.client("logs"), folder)


def _write_logs(logs: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        events = [event for page in pages for event in page["events"]]
        name = group["logGroupName"].strip("/").replace("/", "-")
        text = "".join(f"{event['logStreamName']}  {event['message'].rstrip()}\n" for event in events)
        (folder / f"{name}.log").write_text(text, encoding="utf-8")
