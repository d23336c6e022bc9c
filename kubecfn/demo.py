"""The whole life of a cluster stack on the embedded AWS, through the same functions that drive a real one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubecfn.artifacts.sources import data_root
from kubecfn.config import Config, found_from, load_text
from kubecfn.config.found import domain_of
from kubecfn.demo_proof import proof, remains, signals, tamper_with_bundle, wait_until_dns_names
from kubecfn.deploy.apply import Outcome
from kubecfn.deploy.apply import apply as make_it_so
from kubecfn.deploy.apply import plan as make_plan
from kubecfn.deploy.aws import Aws, connect
from kubecfn.deploy.delete import delete as remove
from kubecfn.deploy.explain import Explanation, html, lines
from kubecfn.deploy.progress import Kind, Progress, Question, Reporter
from kubecfn.deploy.why import Diagnosis, why
from kubecfn.deploy.workspace import write_file
from kubecfn.errors import KubecfnError, StackError
from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.local.fleet.machines import ProcessMachines
from kubecfn.picture import svg
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
    """What really ran."""

    acts: tuple[Act, ...]
    proof: tuple[tuple[str, str], ...]
    files: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "acts": [{"act": act.name, "result": act.result, "seconds": round(act.seconds, 2)} for act in self.acts],
            "proof": dict(self.proof),
        }


@dataclass
class Stage:
    """Where the demo plays: the account, the configuration as it stands, what was done so far."""

    cloud: EmbeddedAws
    aws: Aws
    folder: Path
    report: Reporter
    text: str
    acts: list[Act] = field(default_factory=list)

    @property
    def config(self) -> Config:
        """The configuration as it stands now."""
        return load_text(self.text, "the demo's configuration")

    @contextmanager
    def act(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time one act; what it yields takes the result's sentence."""
        self.report(Progress(Kind.STEP, f"\n── {name}"))
        results: list[str] = []
        start = time.monotonic()
        yield results.append
        self.acts.append(Act(name, "; ".join(results), time.monotonic() - start))

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
            self.report(Progress(Kind.NOTE, line))
        self.report(Progress(Kind.NOTE, f"{question.text} yes"))
        return True

    def controllers(self) -> frozenset[str]:
        """Return the controllers in service, once DNS names exactly those."""
        config = self.config
        domain = str(domain_of(config, found_from(config)))
        return wait_until_dns_names(self.cloud, domain, config.name, config.controllers.count)


def run(folder: Path, *, speed: float, report: Reporter) -> Summary:
    """Play the whole life in `folder`; `speed` is simulated seconds for each real one.

    Raises:
        KubecfnError: something did not happen as it must; the demo proves, it does not pretend.
    """
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / "aws"
    work.mkdir(exist_ok=True)
    text = (data_root("config") / "demo.yaml").read_text(encoding="utf-8")
    region = load_text(text).region
    # A node's first calls may be refused while IAM settles; here IAM settles at once, and a refusal should show soon.
    machines = ProcessMachines(environment={"KUBECFN_PATIENCE": "2"})
    with (
        EmbeddedAws(region=region, clock=ScaledClock(speed), workdir=work, machines=machines) as cloud,
        _pointed_at(cloud),
    ):
        stage = Stage(cloud, connect(region), folder, report, text)
        stage.edit("ami-0123456789abcdef0", _register_image(cloud))
        _create(stage)
        _plan_without_change(stage)
        _change_and_roll(stage)
        _fail_and_roll_back(stage)
        _delete(stage)
        return Summary(tuple(stage.acts), proof(cloud))


@contextmanager
def _pointed_at(cloud: EmbeddedAws) -> Iterator[None]:
    """Point this process at the embedded AWS, as a person would point any AWS program at it."""
    wanted = cloud.environment()
    before = {name: os.environ.get(name) for name in (*wanted, "AWS_PROFILE", "AWS_SESSION_TOKEN")}
    os.environ.update(wanted)
    os.environ.pop("AWS_PROFILE", None)
    os.environ.pop("AWS_SESSION_TOKEN", None)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def _register_image(cloud: EmbeddedAws) -> str:
    """Return the ID of a machine image that this account can use, as an image pipeline would have left one."""
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}
    ec2 = cloud.client("ec2")
    image = ec2.register_image(
        Name="kubecfn-node", Architecture="x86_64", RootDeviceName="/dev/xvda", BlockDeviceMappings=[root]
    )
    return str(image["ImageId"])


def _create(stage: Stage) -> None:
    """Keys, artifacts, change set, stack: every node's user data runs and signals."""
    with stage.act("create") as result:
        outcome = stage.apply(stage.ready())
        sent = signals(stage.cloud, stage.config.name)
        result(f"{outcome.state.value}, {sent['SUCCESS']} nodes signalled success")
        result(f"DNS names the {len(stage.controllers())} controllers that exist")


def _plan_without_change(stage: Stage) -> None:
    """The same configuration again: nothing to do, and nothing left behind by looking."""
    with stage.act("plan, nothing changed") as result:
        if not stage.plan(stage.ready()).is_empty:
            raise KubecfnError("The same configuration again would change the stack.", remedy="Please report it.")
        result("no changes")


def _change_and_roll(stage: Stage) -> None:
    """Another instance type: explained first, then one controller after another is replaced."""
    stage.edit("instance_type: m7i.large", "instance_type: m7i.xlarge")
    with stage.act("plan, another instance type") as result:
        ready = stage.ready()
        explanation = stage.plan(ready)
        for line in lines(explanation):
            stage.report(Progress(Kind.NOTE, line))
        report = stage.folder / "plan.html"
        write_file(report, html(explanation, f"{stage.config.name} in {stage.config.region}", svg(ready.template)))
        count = len(explanation.consequences)
        result(f"explained in {count} consequence{'' if count == 1 else 's'}")
    with stage.act("change, rolled by signals") as result:
        before = stage.controllers()
        outcome = stage.apply(stage.ready())
        after = stage.controllers()
        if before & after:
            raise KubecfnError(f"{', '.join(before & after)} survived the roll.", remedy="Please report it.")
        result(f"{outcome.state.value}, {len(after)} controllers replaced one at a time")


def _fail_and_roll_back(stage: Stage) -> None:
    """A bundle that was changed after its upload: the node finds out, signals failure, CloudFormation rolls back."""
    stage.edit("kubernetes: 1.36.1", "kubernetes: 1.36.3")
    with stage.act("change whose bundle is tampered with") as result:
        ready = stage.ready()
        before = stage.controllers()
        try:
            stage.apply(ready, meanwhile=lambda: tamper_with_bundle(stage.cloud, ready))
        except StackError as error:
            stage.report(Progress(Kind.WARNING, str(error)))
        else:
            raise KubecfnError("A changed bundle was accepted.", remedy="Please report it.")
        diagnosis = why(stage.aws, stage.config.name, stage.config.name)
        kept = before & stage.controllers()
        result(_said(diagnosis))
        result(f"rolled back; {len(kept)} of {len(before)} controllers were never touched")


def _said(diagnosis: Diagnosis) -> str:
    """Return what the node itself said, else CloudFormation's first reason."""
    return (
        f"a node says, while {diagnosis.nodes[0].step}: {diagnosis.nodes[0].reason}"
        if diagnosis.nodes
        else diagnosis.reason
    )


def _delete(stage: Stage) -> None:
    """Everything goes, and what the account holds afterwards is counted."""
    with stage.act("delete") as result:
        name = stage.config.name
        deleted = remove(
            stage.aws, name, name, ask=stage.say_yes, clock=stage.cloud.clock, report=stage.report, empty_backups=True
        )
        left = remains(stage.cloud)
        if not deleted.clean or left.total:
            raise KubecfnError(f"Left behind: {left.counted or deleted.lines}.", remedy="Please report it.")
        result("zero left over")
