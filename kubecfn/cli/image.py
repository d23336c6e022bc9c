"""`kubecfn image` and `kubecfn image-lock`: the machine image that nodes boot from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from kubecfn.cli.options import Where, cluster_options, output_option, yes_option
from kubecfn.errors import WrongUseError

_LOCK = click.option(
    "--lock",
    "lock_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("image-lock.json"),
    show_default=True,
    help="The lock file that `kubecfn image-lock` writes.",
)


@click.command("image")
@cluster_options
@output_option
@yes_option
@_LOCK
@click.option("--again", is_flag=True, help="Bake although this recipe's image is there: on today's Amazon Linux.")
@click.option(
    "--dry-run", is_flag=True, help="Explain what would change in the image's stack; nothing is changed or built."
)
@click.option("--template", "only_template", is_flag=True, help="Print the template alone; AWS is asked for nothing.")
@click.option("--subnet", default="", help="Where the building instance runs; default the default VPC.")
@click.option("--security-group", "groups", multiple=True, help="Of the building instance; it needs only the way out.")
def image(  # noqa: PLR0917  click passes options by name
    where: Where,
    output: str,
    yes: bool,
    lock_file: Path,
    again: bool,
    dry_run: bool,
    only_template: bool,
    subnet: str,
    groups: tuple[str, ...],
) -> None:
    """Bake the image for the configuration's Kubernetes and architectures: stack, explain, ask, build, follow."""
    from kubecfn.deploy.aws import connect
    from kubecfn.image.bake import text_of
    from kubecfn.image.lock import read_lock
    from kubecfn.image.template import Bake
    from kubecfn.versions import choose

    config = where.config()
    bake = Bake(
        choose(config.kubernetes, config.etcd),
        config.architectures,
        read_lock(lock_file),
        subnet,
        groups,
        {**config.tags, "kubecfn:part": "image"},
    )
    if only_template:
        click.echo(text_of(bake, config.region), nl=False)
        return
    aws = connect(config.region, where.profile)
    if dry_run:
        _explain(bake, where, config, aws, output)
        return
    _bake(bake, where, config, aws, output=output, yes=yes, again=again)


def _explain(bake: Any, where: Where, config: Any, aws: Any, output: str) -> None:
    from kubecfn.cli.console import print_json, talking
    from kubecfn.deploy.bucket import existing_bucket
    from kubecfn.deploy.explain import lines
    from kubecfn.image.bake import needs_bucket, plan_images, text_of

    bucket = existing_bucket(config, aws) if needs_bucket(text_of(bake, config.region)) else None
    with talking() as talk:
        explanation = plan_images(bake, aws, bucket, report=talk.report, come_back=where.command("image"))
    if output == "json":
        print_json(explanation.to_json())
        return
    for line in lines(explanation):
        click.echo(line)


def _bake(bake: Any, where: Where, config: Any, aws: Any, *, output: str, yes: bool, again: bool) -> None:
    from kubecfn.cli.console import print_json, print_table, talking
    from kubecfn.deploy.bucket import artifact_bucket
    from kubecfn.image.bake import bake_images, needs_bucket, text_of

    with talking(yes=yes) as talk:
        large = needs_bucket(text_of(bake, config.region))
        bucket = artifact_bucket(config, aws, report=talk.report) if large else None
        baked = bake_images(
            bake, aws, bucket, ask=talk.ask, again=again, report=talk.report, come_back=where.command("image")
        )
    if output == "json":
        print_json(baked.to_json())
        return
    rows = [(one.architecture, one.ami, one.parameter) for one in baked.images]
    print_table(f"Images of Kubernetes {bake.versions.kubernetes}", ("architecture", "image", "parameter"), rows)
    wanted = {one.architecture: one.parameter for one in baked.images}
    if any(config.image.ssm.get(architecture) != path for architecture, path in wanted.items()):
        inner = ", ".join(f"{architecture}: {path}" for architecture, path in wanted.items())
        click.echo(f"Write it into {where.source}: image: {{ssm: {{{inner}}}}}")


@click.command("image-lock")
@output_option
@click.option(
    "--config",
    "-c",
    "sources",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="Lock this configuration's versions too, where they are not the version table's own.",
)
@click.option(
    "--release",
    "releases",
    multiple=True,
    metavar="NAME=VERSION",
    help="Another release of what every image holds: runc, crictl, aws-iam-authenticator, ecr-credential-provider.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("image-lock.json"),
    show_default=True,
    help="Where it is written.",
)
def image_lock(output: str, sources: tuple[Path, ...], releases: tuple[str, ...], to: Path) -> None:
    """Write down the publishers' own SHA-256 of everything an image is made of, for every minor and architecture."""
    from kubecfn.cli.console import talking
    from kubecfn.config import load
    from kubecfn.image.lock import every_release, make_lock, write_lock
    from kubecfn.image.programs import Publishers
    from kubecfn.image.publishers import Web
    from kubecfn.versions import choose

    configs = [load(source) for source in sources]
    wanted = [*every_release(), *(choose(one.kubernetes, one.etcd) for one in configs)]
    with talking() as talk:
        lock = make_lock(wanted, Web(), Publishers(), beside=_beside(releases), report=talk.report)
    write_lock(lock, to)
    if output == "json":
        click.echo(json.dumps({"lock": str(to), "files": len(lock.files), "images": len(lock.images)}, indent=2))
        return
    click.echo(
        f"Written: {to} ({len(lock.files)} files, {len(lock.images)} container images). Look at it, and keep it."
    )


def _beside(releases: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of what every image holds, those that were named put in.

    Raises:
        WrongUseError: a name that is none of them, or a version that is none.
    """
    from kubecfn.image.programs import BESIDE
    from kubecfn.versions import parse

    chosen = dict(BESIDE)
    for one in releases:
        name, _, version = one.partition("=")
        if name not in chosen:
            raise WrongUseError(
                f"--release {one}: there is no {name}.", remedy=f"Name one of {', '.join(sorted(chosen))}."
            )
        chosen[name] = str(parse(version))
    return chosen
