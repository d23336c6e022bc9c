"""`kubecfn keys`: the offline authorities and what is made from them."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from kubecfn import pki
from kubecfn.cli.options import Where, cluster_options, output_option, yes_option
from kubecfn.cluster_keys import pki_directory, pki_spec
from kubecfn.config import Config, found_from
from kubecfn.config.found import domain_of
from kubecfn.errors import DeclinedError, WrongUseError


def _now() -> datetime:
    return datetime.now(UTC)


def key_spec(where: Where, config: Config) -> pki.PkiSpec:
    """Return what the configuration says about its keys; AWS is asked only when the domain hangs on it."""
    known = domain_of(config, found_from(config)) is not None
    return pki_spec(config, where.found(config, offline=known))


@click.group()
def keys() -> None:
    """Make, show or replace the offline authorities, keys and certificates."""


@keys.command("make")
@cluster_options
def make_command(where: Where) -> None:
    """Make what is missing. Nothing that exists is overwritten."""
    config = where.config()
    report = pki.make(pki_directory(where.build, config), key_spec(where, config), now=_now())
    _tell(report, where)


def _tell(report: pki.Report, where: Where) -> None:
    """Say what `make` did, and what is due."""
    if report.resumed:
        click.echo("Completed first: a write that had been stopped.")
    click.echo(f"Made: {', '.join(report.made) or 'nothing; everything was there'}.")
    if report.renewed:
        click.echo(
            f"Renewed: {', '.join(report.renewed)} (in the last quarter of their life, or made from what is new); "
            "the old ones are below replaced/."
        )
    if report.due:
        click.echo(
            f"Due: {', '.join(report.due)}. Renew them with: {where.command('keys replace ' + ' '.join(report.due))}"
        )
    for note in report.notes:
        click.echo(f"Note: {note}")


@keys.command("pull")
@cluster_options
def pull_command(where: Where) -> None:
    """Fetch the keys of a cluster that runs, from its controllers' bundle, onto a machine that has none."""
    from kubecfn.deploy.aws import connect
    from kubecfn.deploy.pull import pull

    config = where.config()
    directory, spec = pki_directory(where.build, config), key_spec(where, config)
    files = pull(connect(config.region, where.profile), config.name, config.name)
    restored = pki.restore(directory, files, spec, now=_now())
    click.echo(f"Pulled into {directory}: {', '.join(restored.made)}.")
    _tell(pki.make(directory, spec, now=_now()), where)


@keys.command("show")
@cluster_options
@output_option
def show_command(where: Where, output: str) -> None:
    """Show each file: what for, who can read it, when it ends."""
    from kubecfn.cli.console import print_json, print_table

    config = where.config()
    rows = pki.show(pki_directory(where.build, config), now=_now())
    if output == "json":
        print_json(
            [
                {
                    "file": r.file,
                    "purpose": r.purpose,
                    "readers": r.readers,
                    "ends": r.ends,
                    "state": r.state.value,
                    "detail": r.detail,
                }
                for r in rows
            ]
        )
        return
    cells = [(r.file, r.purpose, r.readers, f"{r.ends:%Y-%m-%d}" if r.ends else "", r.state.value) for r in rows]
    print_table(f"Keys of {config.name}", ("file", "what for", "who can read it", "ends", "state"), cells)
    for row in rows:
        if row.detail:
            click.echo(f"{row.file}: {row.detail}")


@keys.command("replace")
@click.argument("names", nargs=-1, required=True)
@cluster_options
@yes_option
def replace_command(names: tuple[str, ...], where: Where, yes: bool) -> None:
    """Replace NAMES and what hangs below them; the old files are kept aside. Asks for the cluster's name."""
    from kubecfn.cli.console import print_table

    config = where.config()
    directory = pki_directory(where.build, config)
    plan = pki.replacement_plan(directory, names)
    rows = [(one.name, _because(one), ", ".join(one.files) or "missing", one.consequence) for one in plan]
    print_table(f"To be replaced for {config.name}", ("what", "because", "files", "what it means"), rows)
    if yes:
        raise WrongUseError(
            "Keys are not replaced with --yes.",
            remedy="Type the cluster's name when asked; this cannot be taken back by a pipeline.",
        )
    typed = click.prompt(
        f"Type the cluster's name ({config.name}) to replace them", default="", show_default=False, err=True
    )
    if typed != config.name:
        raise DeclinedError("Nothing was replaced.")
    report = pki.replace(directory, names, key_spec(where, config), now=_now())
    click.echo(f"Replaced: {', '.join(report.renewed + report.made)}. The next apply rolls the nodes that use them.")


def _because(one: pki.Replacement) -> str:
    """Say why an item is dragged along: certificates are signed, a kubeconfig is made from one."""
    link = "made from" if one.name == "kubeconfig" else "signed by"
    return one.because and f"{link} {one.because}"
