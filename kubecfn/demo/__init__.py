"""The whole life of a cluster on the embedded AWS, with real etcd, through the same functions that drive a real one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from kubecfn.artifacts.sources import data_root
from kubecfn.cluster_keys import pki_directory
from kubecfn.config import load_text
from kubecfn.demo.acts import change_and_roll, create, delete, fail_and_roll_back, plan_without_change
from kubecfn.demo.disasters import back_up, judge, kill_the_leader, lose_all
from kubecfn.demo.eyes import Eyes, eyes
from kubecfn.demo.proof import proof
from kubecfn.demo.stage import Act, Stage, Summary, logs_kept
from kubecfn.deploy.aws import connect
from kubecfn.deploy.progress import Kind, Progress, Reporter
from kubecfn.deploy.workspace import write_file
from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.local.fleet.machines import ProcessMachines
from kubecfn.local.programs import etcd
from kubecfn.rehearsal import page, timeline
from kubecfn.rehearsal.live import Screen
from kubecfn.versions import choose

__all__ = ["Act", "Summary", "run"]

Showing = Callable[[Callable[[], Screen]], AbstractContextManager[None]]
GROUP = "{name}-controllers"


def run(
    folder: Path, reports: Path, *, speed: float, report: Reporter, showing: Showing = lambda _: nullcontext()
) -> Summary:
    """Play the whole life.

    Args:
        folder: where it works; what a checkout's build/ is.
        reports: where the timeline of the run is left.
        speed: simulated seconds for each real one; etcd itself always runs in real time.
        report: is told every step.
        showing: shows screens of what happens now while the cluster lives.

    Raises:
        KubecfnError: something did not happen as it must; the demo proves, it does not pretend.
    """
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / "aws"
    work.mkdir(exist_ok=True)
    text = (data_root("config") / "demo.yaml").read_text(encoding="utf-8")
    config = load_text(text)
    release = str(choose(config.kubernetes, config.etcd).etcd)
    image = etcd(release, lambda line: report(Progress(Kind.NOTE, line)))
    # A node's first calls may be refused while IAM settles; here IAM settles at once, and a refusal should show soon.
    machines = ProcessMachines(image=image, environment={"KUBECFN_PATIENCE": "15"})
    with (
        EmbeddedAws(region=config.region, clock=ScaledClock(speed), workdir=work, machines=machines) as cloud,
        _pointed_at(cloud),
    ):
        stage = Stage(cloud, machines, connect(config.region), folder, report, text)
        stage.edit("ami-0123456789abcdef0", _register_image(cloud))
        ready = stage.ready()
        keys = pki_directory(folder, config)
        with (
            eyes(cloud, machines, keys, GROUP.format(name=config.name)) as seen,
            showing(seen.screen),
            logs_kept(cloud, folder / "logs"),
        ):
            create(stage, seen, ready)
            plan_without_change(stage)
            change_and_roll(stage, seen)
            fail_and_roll_back(stage, seen)
            kill_the_leader(stage, seen)
            back_up(stage, seen)
            restored = lose_all(stage, seen)
            rows = judge(seen, (restored,))
        files = _write_timeline(seen, reports, rows)
        delete(stage)
        return Summary(tuple(stage.acts), rows, proof(cloud), files)


def _write_timeline(seen: Eyes, reports: Path, rows: tuple[tuple[str, str], ...]) -> tuple[Path, ...]:
    """Leave the run as a drawing and as a page."""
    told = seen.run(rows[:3])
    reports.mkdir(parents=True, exist_ok=True)
    files = {reports / "timeline.html": page.html(told), reports / "timeline.svg": timeline.svg(told)}
    for file, text in files.items():
        write_file(file, text)
    return tuple(files)


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
