"""The options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kubecfn.config import Config, Found, found_from, load, still_to_find

Command = Callable[..., Any]


@dataclass(frozen=True)
class Where:
    """Which cluster is meant, and where its files are.

    Attributes:
        source: the configuration file as the person named it.
        region: stands in for the file's own; None leaves it.
        build: the folder that holds one folder for each cluster.
        profile: of the AWS configuration; None as boto3 chooses.
    """

    source: Path
    region: str | None
    build: Path
    profile: str | None

    def config(self) -> Config:
        """Return the configuration, or everything that is wrong with it."""
        return load(self.source, region=self.region)

    def found(self, config: Config, *, offline: bool = False) -> Found:
        """Return the outside resources by ID; AWS is asked only for what the configuration does not give."""
        known = found_from(config)
        if offline or not still_to_find(config, known):
            return known
        from kubecfn.deploy.aws import connect
        from kubecfn.deploy.lookup import look_up

        return look_up(config, connect(config.region, self.profile), known, str(self.source))

    def command(self, verb: str) -> str:
        """Return the command line that does `verb` for the same cluster."""
        region = f" --region {self.region}" if self.region else ""
        profile = f" --profile {self.profile}" if self.profile else ""
        return f"kubecfn {verb} --config {self.source}{region}{profile}"


_CLUSTER = (
    click.option("--profile", help="Profile of the AWS configuration; default as the AWS CLI chooses."),
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
)


def cluster_options(command: Command) -> Command:
    """Add --config, --region, --build and --profile, and hand them on as one `Where`."""

    @functools.wraps(command)
    def with_where(source: Path, region: str | None, build: Path, profile: str | None, **rest: Any) -> Any:
        return command(where=Where(source, region, build, profile), **rest)

    wrapped: Command = with_where
    for option in _CLUSTER:
        wrapped = option(wrapped)
    return wrapped


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
