"""`kubecfn local` and `kubecfn demo`: the embedded AWS, served or shown."""

from __future__ import annotations

import tempfile
import threading
from functools import partial
from pathlib import Path

import click

from kubecfn.cli.options import output_option
from kubecfn.errors import WrongUseError


def _refuse_without_extra() -> None:
    """Say how to get the embedded AWS where only the tool itself was installed."""
    from importlib.util import find_spec

    missing = [name for name in ("moto", "werkzeug", "flask") if find_spec(name) is None]
    if missing:
        raise WrongUseError(
            f"The embedded AWS needs {', '.join(missing)}, which this installation does not have.",
            remedy="Install it with: pip install 'kubecfn[local]'",
        )


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=4566, show_default=True, help="0 takes a free port.")
@click.option("--region", default="eu-central-1", show_default=True, help="The region that --env and the banner name.")
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    help="Simulated seconds for each real second.",
)
@click.option(
    "--env",
    "env_only",
    is_flag=True,
    help="Print the environment that points any AWS program at a running one, and end.",
)
def local(port: int, region: str, speed: float, env_only: bool) -> None:
    """Serve the embedded AWS on loopback until Ctrl-C. It begins empty and forgets everything when it ends."""
    if env_only:
        from kubecfn.local.embedded import ACCOUNT
        from kubecfn.local.identity import environment, operator_keys

        for name, value in environment(f"http://127.0.0.1:{port}", region, operator_keys(ACCOUNT)).items():
            click.echo(f"export {name}={value}")
        return
    _refuse_without_extra()
    from kubecfn.local.clock import ScaledClock
    from kubecfn.local.embedded import EmbeddedAws

    with (
        tempfile.TemporaryDirectory(prefix="kubecfn-local-") as folder,
        EmbeddedAws(region=region, clock=ScaledClock(speed), workdir=Path(folder), port=port) as aws,
    ):
        click.echo(
            f"The embedded AWS of account {aws.account} listens on {aws.endpoint}. Point any AWS program at it:\n"
        )
        for name, value in aws.environment().items():
            click.echo(f"  export {name}={value}")
        click.echo("\nCtrl-C ends it; nothing is kept.")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("Ended.")


@click.command()
@click.option(
    "--speed",
    type=click.FloatRange(1, 60),
    default=10.0,
    show_default=True,
    help="Simulated seconds of AWS for each real second; etcd runs in real time.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep what the demo wrote (keys, template, instances) in this folder.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/demo"),
    show_default=True,
    help="Where timeline.html and timeline.svg are left: the run as a drawing.",
)
@output_option
def demo(speed: float, keep: Path | None, report: Path, output: str) -> None:
    """Show the whole life of a cluster on the embedded AWS, with real etcd: no account, no credentials."""
    _refuse_without_extra()
    from kubecfn.cli.console import print_json, print_table, talking
    from kubecfn.demo import run
    from kubecfn.rehearsal.live import showing

    with tempfile.TemporaryDirectory(prefix="kubecfn-demo-") as folder, talking() as talk:
        summary = run(
            keep or Path(folder), report, speed=speed, report=talk.report, showing=partial(showing, talk.console)
        )
    if output == "json":
        print_json(summary.to_json())
        return
    print_table("What really ran", ("act", "what happened", "seconds"), [act.cells for act in summary.acts])
    print_table("What a client saw that wrote all the time", ("what", "value"), summary.etcd)
    print_table("Proof", ("what", "value"), summary.proof)
    for file in summary.files:
        click.echo(f"Open {file}")
