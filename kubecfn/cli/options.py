"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def cluster_options(command: Command) -> Command:
    """Add --config, --region and --build: which cluster is meant, and where its files are."""
    for option in (
        click.option(
            "--build",
            type=click.Path(path_type=Path, file_okay=False),
            default=Path("build"),
            show_default=True,
            help="Where keys, artifacts and the emitted template are kept, one folder for each cluster.",
        ),
        click.option("--region", help="Use this region instead of the file's."),
        click.option(
            "--config",
            "-c",
            "source",
            type=click.Path(path_type=Path, dir_okay=False),
            required=True,
            help="The cluster's configuration file.",
        ),
    ):
        command = option(command)
    return command


def aws_options(command: Command) -> Command:
    """Add --profile: whose credentials are used."""
    return click.option("--profile", help="Profile of the AWS configuration; default as the AWS CLI chooses.")(command)


def output_option(command: Command) -> Command:
    """Add --output: for a person or for a program."""
    kinds = click.Choice(["text", "json"])
    return click.option(
        "--output", type=kinds, default="text", show_default=True, help="json prints the machine form."
    )(command)


def yes_option(command: Command) -> Command:
    """Add --yes: do not ask."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask; for pipelines that looked at the plan before.")(
        command
    )
