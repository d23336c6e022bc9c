"""`kubecfn config`: what the configuration says, what it may say, whether it is right."""

from __future__ import annotations

import click

from kubecfn.cli.options import Where, cluster_options
from kubecfn.config import found_from, schema, show, still_to_find


@click.group()
def config() -> None:
    """Show, describe or check a configuration file."""


@config.command("show")
@cluster_options
def show_command(where: Where) -> None:
    """Print the configuration with every default filled in."""
    click.echo(show(where.config()), nl=False)


@config.command("schema")
def schema_command() -> None:
    """Print the configuration's JSON schema for editors."""
    click.echo(schema(), nl=False)


@config.command("check")
@cluster_options
def check_command(where: Where) -> None:
    """Say everything that is wrong in a configuration, without asking AWS."""
    checked = where.config()
    click.echo(f"{where.source} is a valid configuration of the cluster {checked.name} in {checked.region}.")
    open_questions = still_to_find(checked, found_from(checked))
    if open_questions:
        click.echo(f"Looked up in AWS when it is planned: {', '.join(open_questions)}.")
