"""The demo's acts that are CloudFormation's: create, look, change, fail, delete."""

from __future__ import annotations

from kubecfn.demo.eyes import Eyes
from kubecfn.demo.proof import remains, signals, tamper_with_bundle
from kubecfn.demo.stage import Stage
from kubecfn.deploy.delete import delete as remove
from kubecfn.deploy.explain import html, lines
from kubecfn.deploy.progress import Kind, Progress
from kubecfn.deploy.why import Diagnosis, why
from kubecfn.deploy.workspace import write_file
from kubecfn.errors import KubecfnError, StackError
from kubecfn.picture import svg
from kubecfn.ready import Ready


def create(stage: Stage, eyes: Eyes, ready: Ready) -> None:
    """Artifacts, change set, stack: one controller founds etcd, the others join it, and every node signals."""
    with stage.act("create") as result:
        outcome = stage.apply(ready)
        eyes.founded()
        sent = signals(stage.cloud, stage.config.name)
        result(f"{outcome.state.value}, {sent['SUCCESS']} nodes signalled success")
        result(f"etcd grew to {len(eyes.voters())} voters")
        result(f"DNS names the {len(stage.controllers())} controllers that exist")


def plan_without_change(stage: Stage) -> None:
    """The same configuration again: nothing to do, and nothing left behind by looking."""
    with stage.act("plan, nothing changed") as result:
        if not stage.plan(stage.ready()).is_empty:
            raise KubecfnError("The same configuration again would change the stack.", remedy="Please report it.")
        result("no changes")


def change_and_roll(stage: Stage, eyes: Eyes) -> None:
    """Another instance type: explained first, then one controller after another is replaced."""
    stage.edit("instance_type: m7i.large", "instance_type: m7i.xlarge")
    with stage.act("plan, another instance type") as result:
        ready = stage.ready()
        explanation = stage.plan(ready)
        for line in lines(explanation):
            stage.note(line)
        report = stage.folder / "plan.html"
        write_file(report, html(explanation, f"{stage.config.name} in {stage.config.region}", svg(ready.template)))
        count = len(explanation.consequences)
        result(f"explained in {count} consequence{'' if count == 1 else 's'}")
    with stage.act("change, rolled by signals") as result:
        before = eyes.voters()
        with eyes.recorder.operation("roll all three", "roll"):
            outcome = stage.apply(stage.ready())
            eyes.wait_until_settled(without=before)
        after = stage.controllers()
        if before & after:
            raise KubecfnError(f"{', '.join(before & after)} survived the roll.", remedy="Please report it.")
        result(f"{outcome.state.value}, {len(after)} controllers replaced one at a time")


def fail_and_roll_back(stage: Stage, eyes: Eyes) -> None:
    """A bundle that was changed after its upload: the node finds out, signals failure, CloudFormation rolls back."""
    stage.edit("kubernetes: 1.36.1", "kubernetes: 1.36.3")
    with stage.act("change whose bundle is tampered with") as result, eyes.recorder.operation("roll back", "other"):
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
        eyes.wait_until_settled()
        result(_said(diagnosis))
        result(f"rolled back; {len(kept)} of {len(before)} controllers were never touched")


def delete(stage: Stage) -> None:
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


def _said(diagnosis: Diagnosis) -> str:
    """Return what the node itself said, else CloudFormation's first reason."""
    return (
        f"a node says, while {diagnosis.nodes[0].step}: {diagnosis.nodes[0].reason}"
        if diagnosis.nodes
        else diagnosis.reason
    )
