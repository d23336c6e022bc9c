"""The demo's acts that are etcd's: a backup, a controller that dies, all of them lost; and what the client saw of it all."""

from __future__ import annotations

from kubecfn.care import backup as backups
from kubecfn.care.bucket import reading, store
from kubecfn.care.where import where
from kubecfn.demo.eyes import Eyes
from kubecfn.demo.stage import Stage
from kubecfn.errors import KubecfnError
from kubecfn.etcd.store import Stored
from kubecfn.rehearsal.drawing import seconds


def kill_the_leader(stage: Stage, eyes: Eyes) -> None:
    """Cut a controller's power, the leader's: the others go on, its member is removed, a new controller joins."""
    with stage.act("the leader's power is cut") as result:
        leader = eyes.leader()
        with eyes.recorder.operation("kill the leader", "kill"):
            stage.machines.kill(leader)
            stage.note(f"{leader} is off, and nobody was told")
            eyes.wait_until_settled(without=frozenset({leader}))
        result(f"{leader} was replaced; {len(eyes.voters())} voters again")
        result(f"DNS names the {len(stage.controllers())} controllers that exist")


def back_up(stage: Stage, eyes: Eyes) -> None:
    """Ask the leader's agent for a backup now."""
    with stage.act("backup now") as result, eyes.recorder.operation("backup", "backup"):
        made = backups.backup(stage.aws, where(stage.aws, stage.config.name), stage.work)
        result(made.line)


def lose_all(stage: Stage, eyes: Eyes) -> int:
    """Terminate every controller at once: one of the next three restores the newest snapshot, the others join it.

    Returns:
        The revision of the snapshot that was restored.
    """
    with stage.act("all controllers are terminated") as result:
        before = eyes.voters()
        with eyes.recorder.operation("lose all, restore", "restore"):
            stage.cloud.client("ec2").terminate_instances(InstanceIds=sorted(before))
            stage.note(f"{', '.join(sorted(before))} and their disks are gone")
            eyes.wait_until_settled(without=before)
        made = _cluster_object(stage)
        if (made.way, made.epoch) != ("restore", 2):
            raise KubecfnError(f"Epoch {made.epoch} was made by {made.way}, not restored.", remedy="Please report it.")
        revision = int(made.snapshot.rsplit("/", 1)[1].split("-", 1)[0])
        result(f"epoch {made.epoch} restored revision {revision:,} from {made.snapshot}")
        result(f"{len(eyes.voters())} voters; DNS names the {len(stage.controllers())} controllers that exist")
        return revision


def judge(eyes: Eyes, restored_from: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """Read everything back; return what the client saw, as name and value.

    Raises:
        KubecfnError: an acknowledged write is not there, or something nobody wrote is.
    """
    checked = eyes.check(restored_from)
    if checked.lost or checked.unexplained:
        raise KubecfnError(
            f"{len(checked.lost)} acknowledged writes are lost; unexplained: {checked.unexplained[:3]}.",
            remedy="Please report it.",
        )
    rows = [
        ("writes acknowledged", f"{checked.acknowledged:,}"),
        ("writes lost", f"{len(checked.lost)}"),
        ("written after the snapshot that was restored", f"{len(checked.given_up):,}"),
    ]
    for operation in eyes.run().operations:
        stall = eyes.writer.stall(operation.begun, operation.ended)
        if stall:
            rows.append((f"longest stall: {operation.name}", seconds(stall.seconds)))
    return tuple(rows)


def _cluster_object(stage: Stage) -> Stored:
    places = where(stage.aws, stage.config.name)
    with reading("reading the cluster object"):
        stored = store(stage.aws, places.bucket, places.cluster).read()
    assert stored is not None, "a cluster that is settled has one"
    return stored
