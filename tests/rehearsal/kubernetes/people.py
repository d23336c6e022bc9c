"""Who comes by an IAM role, as on an operator's machine: ``kubecfn kubeconfig --iam``, then kubectl with what it wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kubecfn.access.kubeconfig import PROGRAMS, Program
from tests.rehearsal import programs
from tests.rehearsal.cluster import REGION, Cluster, DidNotHappenError
from tests.rehearsal.image import trusted_authority

ALL, SOME = "admins", "viewers"
ACCESS = [
    {"name": ALL, "cluster_role": "cluster-admin"},
    {"name": SOME, "cluster_role": "view", "namespaces": ["default"]},
]
_PATIENCE = 60.0
# What kubectl is asked by whom, and whether it is to be answered; who may view sees no secrets (Kubernetes: "Using RBAC
# Authorization", "User-facing roles").
_ASKED = (
    (ALL, ("get", "nodes"), True),
    (ALL, ("get", "secrets", "--all-namespaces"), True),
    (SOME, ("get", "configmaps", "--namespace=default"), True),
    (SOME, ("get", "secrets", "--namespace=default"), False),
    (SOME, ("get", "configmaps", "--namespace=kube-system"), False),
    (SOME, ("get", "nodes"), False),
    (SOME, ("create", "configmap", "mine", "--namespace=default"), False),
)


@dataclass(frozen=True)
class People:
    """Those whom a cluster's configuration gives access.

    Args:
        cluster: its API answers, and this machine resolves its names.
        build: the project's build folder.
        line: the Kubernetes minor whose kubectl they have.
    """

    cluster: Cluster
    build: Path
    line: str

    def come(self) -> str:
        """Let each come with each program that makes tokens; return who they are to the cluster.

        Raises:
            DidNotHappenError: one may not what the configuration says, or may more.
        """
        said = [self._came(access["name"], program) for access in ACCESS for program in PROGRAMS]
        return f"{', '.join(sorted(set(said)))}; {len(_ASKED)} questions each by {' and by '.join(PROGRAMS)}"

    def _came(self, access: str, program: Program) -> str:
        file = self._kubeconfig(access, program)
        who = self._who(file)
        if not who["username"].startswith(f"{access}:") or f"kubecfn:access:{access}" not in who["groups"]:
            raise DidNotHappenError(f"access {access} is {who['username']} of {who['groups']}")
        for question, allowed in ((words, may) for name, words, may in _ASKED if name == access):
            done = self._kubectl(file, *question)
            if (done.returncode == 0) != allowed or not (allowed or "forbidden" in done.stderr.lower()):
                raise DidNotHappenError(
                    f"{access}, kubectl {' '.join(question)}: {done.stdout[-200:]}{done.stderr[-300:]}"
                )
        return str(who["username"])

    def _who(self, file: Path) -> dict[str, Any]:
        done = self._kubectl(file, "auth", "whoami", "--output=json")
        if done.returncode:
            raise DidNotHappenError(f"kubectl auth whoami with {file.name}: {done.stderr[-600:]}")
        found: dict[str, Any] = json.loads(done.stdout)["status"]["userInfo"]
        return found

    def _kubeconfig(self, access: str, program: Program) -> Path:
        made, own = self.cluster.folder / f"{access}-{program}", Path(sys.executable).with_name("kubecfn")
        which = ("--role", access, "--program", program, "--to", str(made))
        _ran((str(own), "kubeconfig", "--iam", *which, *self.cluster.options))
        return made

    def _kubectl(self, file: Path, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**self._environment, "KUBECONFIG": str(file)}
        if "aws-iam-authenticator" in file.name:
            # It signs for the address that it calls: AWS's own name, which leads to the same embedded AWS.
            environment = {name: text for name, text in environment.items() if not name.startswith("AWS_ENDPOINT_URL")}
        return _run(("kubectl", *words), environment)

    @cached_property
    def _environment(self) -> dict[str, str]:
        """What a person's shell has, who has installed both programs and trusts AWS."""
        found = programs.build((programs.kubernetes(self.line), programs.authenticator()), lambda _: None)
        paths = {str(path.parent) for path in (found["kubectl"], found["aws-iam-authenticator"])}
        trusted = self.cluster.folder / "aws.crt"
        trusted.write_bytes(trusted_authority(self.build).pem)
        return {
            **os.environ,
            "PATH": ":".join([*sorted(paths), os.environ["PATH"]]),
            "AWS_CA_BUNDLE": str(trusted),
            "AWS_REGION": REGION,
            "HOME": str(self.cluster.folder),
        }


def _ran(command: tuple[str, ...]) -> str:
    done = _run(command, os.environ)
    if done.returncode:
        raise DidNotHappenError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def _run(command: tuple[str, ...], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=_PATIENCE, env=dict(environment)
    )
