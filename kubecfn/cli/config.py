"""`kubecfn config`: what the configuration says, what it may say, whether it is right."""

from __future__ import annotations

from pathlib import Path

import click

from kubecfn.cli.options import cluster_options
from kubecfn.config import found_from, load, schema, show, still_to_find


@click.group()
def config() -> None:
    """Show, describe or check a configuration file."""


@config.command("show")
@cluster_options
def show_command(source: Path, region: str | None, build: Path) -> None:
    """Print the configuration with every default filled in."""
    del build
    click.echo(show(load(source, region=region)), nl=False)


@config.command("schema")
def schema_command() -> None:
    """Print the configuration's JSON schema for editors."""
    click.echo(schema(), nl=False)


@config.command("check")
@cluster_options
def check_command(source: Path, region: str | None, build: Path) -> None:
    """Say everything that is wrong in a configuration, without asking AWS."""
    del build
    checked = load(source, region=region)
    click.echo(f"{source} is a valid configuration of the cluster {checked.name} in {checked.region}.")
    open_questions = still_to_find(checked, found_from(checked))
    if open_questions:
        click.echo(f"Looked up in AWS when it is planned: {', '.join(open_questions)}.")
