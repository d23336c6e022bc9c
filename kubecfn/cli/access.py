"""`kubecfn kubeconfig` and `kubecfn token`: how a person comes to the Kubernetes API."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubecfn.cli.keys import key_spec
from kubecfn.cli.options import Where, cluster_options
from kubecfn.cluster_keys import known_domain, pki_directory
from kubecfn.config import Config, found_from
from kubecfn.config.found import domain_of
from kubecfn.errors import FileError, StackError, WrongUseError

if TYPE_CHECKING:
    from kubecfn.access.kubeconfig import Program
    from kubecfn.config.contents import Access

_PROGRAMS = ("kubecfn", "aws-iam-authenticator")


@click.command()
@cluster_options
@click.option(
    "--iam",
    is_flag=True,
    help="Write one that holds no secret: kubectl comes by an IAM role (access: in the configuration).",
)
@click.option(
    "--role", "access", default="", metavar="NAME", help="With --iam: which access; needed when there are several."
)
@click.option(
    "--program",
    type=click.Choice(_PROGRAMS),
    default="kubecfn",
    show_default=True,
    help="With --iam: what kubectl asks for tokens.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --iam: where to write it; default BUILD/NAME/kubeconfig-ACCESS.",
)
def kubeconfig(where: Where, iam: bool, access: str, program: Program, target: Path | None) -> None:
    """Print where a kubeconfig is: the admin's, re-issued in the last quarter of its life, or one by IAM role."""
    config = where.config()
    if iam:
        click.echo(_by_role(where, config, _chosen(config, access), program, target))
        return
    if access or target:
        raise WrongUseError("--role and --to belong to --iam.", remedy="Add --iam, or leave them out.")
    from kubecfn import pki

    directory = _keys(where, config)
    pki.make(directory, key_spec(where, config), now=datetime.now(UTC))
    click.echo(directory / "kubeconfig")


def _keys(where: Where, config: Config) -> Path:
    directory = pki_directory(where.build, config)
    if not directory.exists():
        raise FileError(
            f"There are no keys of {config.name}: {directory} does not exist.",
            remedy=f"Fetch them with {where.command('keys pull')}, or make them with {where.command('keys make')} for a new cluster.",
        )
    return directory


def _chosen(config: Config, name: str) -> Access:
    """Return the access that is meant: the one that is named, or the only one."""
    known = {access.name: access for access in config.access}
    if not known:
        raise WrongUseError(
            f"{config.name} gives nobody access by IAM.",
            remedy="Add it: access: [{name: admins, cluster_role: cluster-admin}], and apply it.",
        )
    if not name and len(known) > 1:
        raise WrongUseError(
            f"{config.name} has several ways of access: {', '.join(known)}.", remedy="Name one with --role."
        )
    if name and name not in known:
        raise WrongUseError(f"{config.name} has no access {name}.", remedy=f"Name one of {', '.join(known)}.")
    return known[name] if name else next(iter(known.values()))


def _by_role(where: Where, config: Config, access: Access, program: Program, target: Path | None) -> Path:
    """Write the kubeconfig of a role that the stack has, and return where it is."""
    from kubecfn.access.kubeconfig import Way, iam_kubeconfig, write_kubeconfig

    authority = _keys(where, config) / "ca.crt"
    if not authority.is_file():
        raise FileError(
            f"The cluster's authority is not known here: {authority} does not exist.",
            remedy=f"Fetch it with {where.command('keys pull')}.",
        )
    known = domain_of(config, found_from(config)) is not None
    way = Way(
        cluster=config.name,
        domain=known_domain(config, where.found(config, offline=known)),
        region=config.region,
        access=access.name,
        role_arn=_role_arn(where, config, access),
        authority=authority.read_bytes(),
        profile=where.profile or "",
    )
    path = target or where.build / config.name / f"kubeconfig-{access.name}"
    write_kubeconfig(path, iam_kubeconfig(way, program, _own_program() if program == "kubecfn" else ""))
    return path


def _role_arn(where: Where, config: Config, access: Access) -> str:
    from kubecfn.deploy.aws import connect
    from kubecfn.deploy.stacks import read_stack
    from kubecfn.template.access import output_name

    stack = read_stack(connect(config.region, where.profile), config.name)
    if not stack.stands:
        raise StackError(
            f"There is no stack {config.name} in {config.region}.", remedy=f"Create it: {where.command('apply')}"
        )
    arn = stack.outputs.get(output_name(access))
    if arn is None:
        raise StackError(
            f"The stack {config.name} has no role of access {access.name} yet.",
            remedy=f"Bring it up to the configuration: {where.command('apply')}",
        )
    return arn


def _own_program() -> str:
    """Return where this kubecfn is, since kubectl runs in other shells; its bare name where that is not known."""
    found = shutil.which(sys.argv[0])
    return str(Path(found).absolute()) if found and Path(found).name == "kubecfn" else ""


@click.command()
@click.option("--domain", required=True, help="The cluster's domain; the token is worth nothing to another.")
@click.option("--role-arn", required=True, help="The role of an access: output Access…RoleArn of the stack.")
@click.option("--region", required=True, help="The cluster's region; its STS is asked.")
@click.option("--profile", help="Profile of the AWS configuration; default as the AWS CLI chooses.")
def token(domain: str, role_arn: str, region: str, profile: str | None) -> None:
    """Print a token for kubectl, as its credential plugins do: who assumed the role, for fourteen minutes."""
    import json

    from kubecfn.access.credential import exec_credential
    from kubecfn.deploy.aws import connect

    click.echo(json.dumps(exec_credential(connect(region, profile), domain, role_arn, datetime.now(UTC))))
