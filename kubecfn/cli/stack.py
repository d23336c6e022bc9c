"""`kubecfn upload`, `plan`, `apply`, `follow`, `delete`, `status`, `why`: a stack's life."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kubecfn.cli.options import Where, cluster_options, output_option, yes_option
from kubecfn.config import Config


def _connect(where: Where, config: Config) -> Any:
    from kubecfn.deploy.aws import connect

    return connect(config.region, where.profile)


@click.command()
@cluster_options
@output_option
def upload(where: Where, output: str) -> None:
    """Upload what is not there yet: artifacts to S3 by their hash; makes the bucket's stack when it is missing."""
    from kubecfn.cli.console import print_json, print_table, talking
    from kubecfn.deploy.upload import upload as send
    from kubecfn.ready import make_ready

    config = where.config()
    aws = _connect(where, config)
    with talking() as talk:
        ready = make_ready(
            config, aws, where.build, source=str(where.source), folder=where.source.parent, report=talk.report
        )
        sent = send(aws, ready.bucket, ready.deployment.artifacts, report=talk.report)
    rows = [(one.artifact.key, "uploaded" if one.sent else "was there") for one in sent]
    if output == "json":
        print_json([{"key": key, "state": state} for key, state in rows])
        return
    print_table(f"Bucket {ready.bucket.name}", ("object", "state"), rows)


@click.command()
@cluster_options
@output_option
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the explanation with the picture of the stack to this file.",
)
def plan(where: Where, output: str, html: Path | None) -> None:
    """Explain what an apply would do. Nothing is executed, and nothing stays behind."""
    from kubecfn.cli.console import print_json, talking
    from kubecfn.deploy.apply import plan as make_plan
    from kubecfn.deploy.explain import html as report_html
    from kubecfn.deploy.explain import lines
    from kubecfn.deploy.workspace import write_file
    from kubecfn.picture import svg
    from kubecfn.ready import make_ready

    config = where.config()
    aws = _connect(where, config)
    with talking() as talk:
        ready = make_ready(
            config,
            aws,
            where.build,
            source=str(where.source),
            folder=where.source.parent,
            only_look=True,
            report=talk.report,
        )
        explanation = make_plan(ready.deployment, aws, report=talk.report)
    if html:
        write_file(html, report_html(explanation, f"{config.name} in {config.region}", svg(ready.template)))
        click.echo(f"Written: {html}", err=True)
    if output == "json":
        print_json(explanation.to_json())
        return
    for line in lines(explanation):
        click.echo(line)


@click.command()
@cluster_options
@output_option
@yes_option
def apply(where: Where, output: str, yes: bool) -> None:
    """Create or change the cluster: keys, upload, change set, explain, ask, execute, follow."""
    from kubecfn.cli.console import print_json, talking
    from kubecfn.deploy.apply import apply as make_it_so
    from kubecfn.ready import make_ready

    config = where.config()
    aws = _connect(where, config)
    with talking(yes=yes) as talk:
        ready = make_ready(
            config, aws, where.build, source=str(where.source), folder=where.source.parent, report=talk.report
        )
        outcome = make_it_so(ready.deployment, aws, ask=talk.ask, report=talk.report, come_back=where.command("apply"))
    if output == "json":
        print_json(outcome.to_json())
        return
    click.echo(
        f"{config.name} is {outcome.state.value} after {outcome.seconds:.0f} s"
        + ("." if outcome.changed else "; nothing had to change.")
    )
    for name, value in sorted(outcome.outputs.items()):
        click.echo(f"  {name}: {value}")


@click.command()
@cluster_options
@output_option
def follow(where: Where, output: str) -> None:
    """Watch what CloudFormation is doing, from wherever it is. Exits 1 when it did not end well."""
    from kubecfn.cli.console import print_json, talking
    from kubecfn.deploy.follow import follow as watch
    from kubecfn.errors import StackError

    config = where.config()
    with talking() as talk:
        followed = watch(_connect(where, config), config.name, report=talk.report, come_back=where.command("follow"))
    if output == "json":
        print_json({"stack": followed.stack.to_json(), "well": followed.well})
    else:
        click.echo(f"{config.name} is {followed.stack.state.value}.")
    if not followed.well:
        raise StackError(
            f"The last operation on {config.name} did not end well.", remedy=f"See why: {where.command('why')}"
        )


@click.command()
@cluster_options
@output_option
@yes_option
@click.option(
    "--backups", is_flag=True, help="Also empty and remove the backup bucket and its key. They are the only way back."
)
@click.option("--skip-blocked", is_flag=True, help="After a failed deletion: leave behind what blocks it.")
def delete(where: Where, output: str, yes: bool, backups: bool, skip_blocked: bool) -> None:
    """Delete the cluster: say what goes and what stays, ask, delete in order, prove what is left."""
    from kubecfn.cli.console import print_json, talking
    from kubecfn.deploy.delete import delete as remove
    from kubecfn.errors import StackError

    config = where.config()
    with talking(yes=yes) as talk:
        deleted = remove(
            _connect(where, config),
            config.name,
            config.name,
            ask=talk.ask,
            report=talk.report,
            empty_backups=backups,
            retain_blocked=skip_blocked,
            come_back=where.command("delete"),
        )
    if output == "json":
        print_json(deleted.to_json())
    else:
        for line in deleted.lines:
            click.echo(line)
    if not deleted.clean:
        raise StackError(
            f"Something of {config.name} is still there.", remedy="Look at what is listed, then run it again."
        )


@click.command()
@cluster_options
@output_option
def status(where: Where, output: str) -> None:
    """Show the stack, its groups, and how etcd is: members, leader, alarms, epoch, last backup."""
    from datetime import UTC, datetime

    from kubecfn.care import report
    from kubecfn.care.status import etcd_status
    from kubecfn.cli.console import print_json, print_table
    from kubecfn.deploy.status import status as look

    config = where.config()
    aws = _connect(where, config)
    found = look(aws, config.name)
    etcd = etcd_status(aws, config.name, datetime.now(UTC))
    if output == "json":
        print_json({**found.to_json(), "etcd": etcd.to_json()})
        return
    click.echo(found.headline)
    print_table(
        "Groups",
        ("group", "in service", "wanted", "launching", "leaving", "last signal"),
        [group.cells for group in found.groups],
    )
    for line in etcd.lines:
        click.echo(line)
    if etcd.rows:
        print_table("Members of etcd", report.COLUMNS, etcd.rows)


@click.command()
@cluster_options
@output_option
def why(where: Where, output: str) -> None:
    """Say why the last operation failed, and what went wrong in the cluster lately, in one screen."""
    from datetime import UTC, datetime

    from kubecfn.care.trouble import lately
    from kubecfn.cli.console import print_json
    from kubecfn.deploy.why import why as look

    config = where.config()
    aws = _connect(where, config)
    diagnosis = look(aws, config.name, config.name)
    beside = lately(aws, config.name, datetime.now(UTC), known=[one.reason for one in diagnosis.nodes])
    if output == "json":
        print_json({**diagnosis.to_json(), "lately": beside.to_json()})
        return
    for line in [*diagnosis.lines(), *beside.lines()]:
        click.echo(line)
