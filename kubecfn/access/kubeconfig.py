"""The kubeconfig of whoever comes by an IAM role: it holds no secret, and a program that signs as that role."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from kubecfn.deploy.workspace import write_file
from kubecfn.errors import FileError

Program = Literal["kubecfn", "aws-iam-authenticator"]
PROGRAMS: tuple[Program, ...] = ("kubecfn", "aws-iam-authenticator")
_HINTS: Mapping[Program, str] = {
    "kubecfn": "This kubeconfig asks kubecfn for a token; make it anew with: kubecfn kubeconfig --iam",
    "aws-iam-authenticator": "Install aws-iam-authenticator: https://github.com/kubernetes-sigs/aws-iam-authenticator",
}


@dataclass(frozen=True)
class Way:
    """By which role one comes to which cluster.

    Attributes:
        cluster: its name.
        domain: of its zone; what tokens are made for.
        region: whose STS is asked.
        access: name of the access.
        role_arn: its role.
        authority: certificate of the cluster's authority, PEM.
        profile: of the AWS configuration, whose credentials assume the role; empty as the program chooses.
    """

    cluster: str
    domain: str
    region: str
    access: str
    role_arn: str
    authority: bytes
    profile: str = ""

    @property
    def user(self) -> str:
        """What the kubeconfig calls user and context."""
        return f"{self.access}@{self.cluster}"


def iam_kubeconfig(way: Way, program: Program, command: str = "") -> dict[str, Any]:
    """Return the kubeconfig.

    Source: Kubernetes, "client-go credential plugins", section "Configuration".

    Args:
        way: the cluster and the role.
        program: that makes tokens.
        command: where that program is; by default it is looked for on the PATH.
    """
    server = f"https://api.{way.domain}:6443"
    trusted = base64.b64encode(way.authority).decode("ascii")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": way.cluster, "cluster": {"server": server, "certificate-authority-data": trusted}}],
        "users": [{"name": way.user, "user": {"exec": _plugin(way, program, command)}}],
        "contexts": [{"name": way.user, "context": {"cluster": way.cluster, "user": way.user}}],
        "current-context": way.user,
    }


def _plugin(way: Way, program: Program, command: str) -> dict[str, Any]:
    """Return how kubectl runs the program; it may ask for a second factor where there is a terminal."""
    environment = {"AWS_REGION": way.region, "AWS_STS_REGIONAL_ENDPOINTS": "regional"}
    if way.profile:
        environment["AWS_PROFILE"] = way.profile
    if program == "kubecfn":
        arguments = ["token", "--domain", way.domain, "--role-arn", way.role_arn, "--region", way.region]
        version = "client.authentication.k8s.io/v1"
    else:
        arguments = ["token", "-i", way.domain, "-r", way.role_arn]
        version = "client.authentication.k8s.io/v1beta1"  # what it answers (aws-iam-authenticator: pkg/token/token.go)
    return {
        "apiVersion": version,
        "command": command or program,
        "args": arguments,
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "interactiveMode": "IfAvailable",
        "installHint": _HINTS[program],
    }


def write_kubeconfig(path: Path, made: Mapping[str, Any]) -> None:
    """Write a kubeconfig where nothing stands, or an older one of the same cluster and role.

    Raises:
        FileError: something else stands there, or it cannot be written.
    """
    if path.exists() and not _is_older(path, made):
        raise FileError(
            f"{path} is no kubeconfig of {made['current-context']} alone, and is left as it is.",
            remedy="Name another file with --to; kubectl reads several: KUBECONFIG=one:other.",
        )
    write_file(path, yaml.safe_dump(dict(made), sort_keys=False, width=1000), 0o600)


def _is_older(path: Path, made: Mapping[str, Any]) -> bool:
    """Return whether a file holds this cluster and this user, and no other; kubectl itself may have changed the rest."""
    try:
        there = yaml.safe_load(path.read_text(encoding="utf-8"))
        return all(
            [one["name"] for one in there[part]] == [one["name"] for one in made[part]]
            for part in ("clusters", "users")
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError):
        return False
