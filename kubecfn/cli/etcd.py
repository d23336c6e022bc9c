"""`kubecfn backup`, `restore`, `defrag`: what an operator does for a cluster's etcd."""

from __future__ import annotations

import click

from kubecfn.cli.options import Where, cluster_options, output_option


@click.group()
def backup() -> None:
    """Take a backup now, list what there is, or verify one."""


@backup.command("now")
@cluster_options
@output_option
@click.option(
    "--timeout",
    type=click.FloatRange(1),
    default=300,
    show_default=True,
    help="Seconds to wait for the leader's agent.",
)
def now_command(where: Where, output: str, timeout: float) -> None:
    """Ask the leader's agent for a backup and wait until it is in the bucket."""
    from kubecfn.care.backup import backup as take
    from kubecfn.care.where import where as places_of
    from kubecfn.cli.console import print_json, talking
    from kubecfn.deploy.aws import connect
    from kubecfn.deploy.progress import RealClock, Work

    config = where.config()
    aws = connect(config.region, where.profile)
    with talking() as talk:
        work = Work(RealClock(), talk.report, where.command("backup list"))
        made = take(aws, places_of(aws, config.name), work, patience=timeout)
    if output == "json":
        print_json(made.to_json())
        return
    click.echo(made.line)


@backup.command("list")
@cluster_options
@output_option
def list_command(where: Where, output: str) -> None:
    """List snapshots and daily copies, newest first."""
    from datetime import UTC, datetime

    from kubecfn.care.bucket import choices
    from kubecfn.care.choose import COLUMNS
    from kubecfn.care.where import where as places_of
    from kubecfn.cli.console import print_json, print_table
    from kubecfn.deploy.aws import connect

    config = where.config()
    aws = connect(config.region, where.profile)
    places = places_of(aws, config.name)
    listed = choices(aws, places.bucket)
    if output == "json":
        print_json([one.to_json() for one in listed])
        return
    now = datetime.now(UTC)
    print_table(f"Backups of {config.name} in s3://{places.bucket}", COLUMNS, [one.cells(now) for one in listed])


@backup.command("verify")
@click.argument("key", default="newest")
@cluster_options
@output_option
def verify_command(key: str, where: Where, output: str) -> None:
    """Read a snapshot back and say whether it could be restored. KEY is the newest one, a key of the list, or a time."""
    from kubecfn.care.verify import verify_chosen
    from kubecfn.care.where import where as places_of
    from kubecfn.cli.console import print_json, talking
    from kubecfn.deploy.aws import connect

    config = where.config()
    aws = connect(config.region, where.profile)
    with talking() as talk:
        verified = verify_chosen(aws, places_of(aws, config.name), key, report=talk.report)
    if output == "json":
        print_json(verified.to_json())
        return
    for line in verified.lines:
        click.echo(line)


@click.command()
@click.argument("snapshot", metavar="FROM")
@cluster_options
@output_option
@click.option(
    "--confirm", metavar="NAME", default="", help="The cluster's name, for scripts; --yes does not exist here."
)
def restore(snapshot: str, where: Where, output: str, confirm: str) -> None:
    """Take the cluster back to FROM: a snapshot's key, `newest`, or a time like 2026-11-21T10:00Z.

    A time means the newest snapshot that was there by then. What is lost and what happens is said first; it is done only
    when the cluster's name is typed.
    """
    from kubecfn.care.follow import follow
    from kubecfn.care.restore import order, plan
    from kubecfn.care.where import where as places_of
    from kubecfn.cli.console import print_json, talking
    from kubecfn.deploy.aws import connect
    from kubecfn.deploy.progress import RealClock, Work

    config = where.config()
    aws = connect(config.region, where.profile)
    places = places_of(aws, config.name)
    with talking(confirm=confirm) as talk:
        work = Work(RealClock(), talk.report, where.command("status"))
        ordered = order(aws, places, plan(aws, places, snapshot, work), talk.ask)
        restored = follow(aws, places, ordered, work)
    if output == "json":
        print_json(restored.to_json())
        return
    click.echo(restored.line)


@click.command()
@cluster_options
@output_option
def defrag(where: Where, output: str) -> None:
    """Give etcd's unused pages back to the disk, and end a NOSPACE alarm when there is space again.

    Followers go first, the leader last, each one well before the next.
    """
    from kubecfn.care.defrag import COLUMNS
    from kubecfn.care.defrag import defrag as defragment
    from kubecfn.care.where import where as places_of
    from kubecfn.cli.console import print_json, print_table, talking
    from kubecfn.deploy.aws import connect
    from kubecfn.deploy.progress import RealClock, Work

    config = where.config()
    aws = connect(config.region, where.profile)
    with talking() as talk:
        done = defragment(aws, places_of(aws, config.name), Work(RealClock(), talk.report, where.command("defrag")))
    if output == "json":
        print_json(done.to_json())
    else:
        print_table(f"Defragmented: etcd of {config.name}", COLUMNS, [one.cells for one in done.members])
        for line in done.lines:
            click.echo(line)
    done.check()
