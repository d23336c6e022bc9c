"""`python -m tests.rehearsal`: rehearse on this machine what a cluster's instances do, and measure it. Needs root."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click
from rich.console import Console

from kubecfn.errors import KubecfnError

from . import isolation, measured
from .image import image
from .kubernetes.scenario import MINORS, WITH_VOLUMES
from .scenarios import ETCD, OLDER_ETCD, SCENARIOS, WHOLE, play

SPEED_HELP = "Simulated seconds of AWS in a real one; less on a busy machine, whose functions need real seconds."
BUILD = Path(__file__).parent.parent.parent / "build"


@click.command()
@click.argument("only", nargs=-1, type=click.Choice(list(SCENARIOS)))
@click.option("--speed", type=click.FloatRange(1, 20), default=10.0, show_default=True, help=SPEED_HELP)
@click.option("--keep", is_flag=True, help="Keep journals, consoles and logs under build/rehearsal/kept.")
def main(only: tuple[str, ...], *, speed: float, keep: bool) -> None:
    """Play every scenario but the short one, or ONLY what is named; print one table and end with 1 when something failed."""
    if os.geteuid() != 0:
        sys.stderr.write(
            "SKIPPED: make rehearse boots containers with systemd and needs root; run it as root on a machine of yours.\n"
        )
        # Where everything is to be checked, what was not checked is a failure.
        sys.exit(1 if os.environ.get("CI") else 0)
    run = isolation.inside()
    try:
        sys.exit(
            _behind_walls(run, only, speed=speed, keep=keep) if run else _before_walls(only, speed=speed, keep=keep)
        )
    except KubecfnError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def _before_walls(only: tuple[str, ...], *, speed: float, keep: bool) -> int:
    isolation.install_tools()
    console, runs = Console(highlight=False), BUILD / "rehearsal"
    with isolation.alone(runs, lambda line: console.print(line, markup=False)):
        isolation.must_contain(runs)
        # Before the walls: behind them there is no way to Debian's packages.
        for release in (ETCD, OLDER_ETCD):
            with console.status(f"Making the machine image with etcd {release}; the first one takes a minute or two …"):
                image(BUILD, release, lambda line: console.print(line, markup=False))
        wanted = {(line, name in WITH_VOLUMES) for name in only or MINORS for line in MINORS.get(name, ())}
        for line, volumes in sorted(wanted):
            with console.status(f"Making the machine image with Kubernetes {line}; its programs take minutes …"):
                image(BUILD, ETCD, lambda line: console.print(line, markup=False), kubernetes=line, volumes=volumes)
        isolation.sweep_after_the_killed(runs)
        arguments = [*only, "--speed", str(speed), *(["--keep"] if keep else [])]
        with isolation.roomy():
            return isolation.run_inside("tests.rehearsal", arguments, runs / f"run-{os.getpid()}")


def _behind_walls(run: Path, only: tuple[str, ...], *, speed: float, keep: bool) -> int:
    isolation.settle_in()
    console = Console(highlight=False, soft_wrap=True)
    played = play(only or tuple(WHOLE), run, BUILD, console, speed)
    console.print(played.table())
    measured.keep(BUILD / "rehearsal" / "measured.json", played, SCENARIOS, whole=not only)
    if keep or not played.good:
        kept = BUILD / "rehearsal" / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        played.keep(run, kept)
        console.print(f"Journals, consoles and logs of this run are in {kept}.")
    return 0 if played.good else 1


if __name__ == "__main__":
    main()
