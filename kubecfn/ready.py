"""Everything an apply sends, made ready: outside resources found, keys and artifacts on disk, the template written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubecfn import pki
from kubecfn.artifacts import write
from kubecfn.assemble import Emitted, artifacts, emitted, values
from kubecfn.cluster_keys import pki_directory, pki_spec
from kubecfn.config import Config, found_from
from kubecfn.deploy.apply import Deployment
from kubecfn.deploy.aws import Aws
from kubecfn.deploy.bucket import ArtifactBucket, artifact_bucket, existing_bucket
from kubecfn.deploy.lookup import look_up
from kubecfn.deploy.progress import Kind, Progress, RealClock, Reporter, Waiting, silent
from kubecfn.deploy.stacks import read_stack
from kubecfn.deploy.upload import Artifact as Upload
from kubecfn.deploy.workspace import Workspace
from kubecfn.errors import FileError


@dataclass(frozen=True)
class Ready:
    """What is about to be sent.

    Attributes:
        stack: the emitted template.
        bucket: where artifacts go.
        deployment: what `kubecfn.deploy.apply` takes.
    """

    stack: Emitted
    bucket: ArtifactBucket
    deployment: Deployment

    @property
    def template(self) -> dict[str, Any]:
        """The template as a dictionary."""
        return self.stack.template


def make_ready(
    config: Config,
    aws: Aws,
    build: Path,
    *,
    source: str = "configuration",
    folder: Path = Path(),
    only_look: bool = False,
    clock: Waiting | None = None,
    report: Reporter = silent,
) -> Ready:
    """Find, make and write everything; with `only_look` nothing is made in AWS.

    Args:
        config: the cluster.
        aws: the account.
        build: the folder of what is made.
        source: where the configuration stands, as errors name it.
        folder: from which the configuration's paths are.
        only_look: make nothing in AWS.
        clock: for what is waited for.
        report: is told what is done.

    Raises:
        KubecfnError: whatever a person has to mend, before anything of the cluster is sent.
    """
    workspace = Workspace(build / config.name)
    keys = pki_directory(build, config)
    found = look_up(config, aws, found_from(config), source)
    stack = emitted(config, found)
    _refuse_new_keys_for_an_old_cluster(config, aws, keys)
    made = pki.make(keys, pki_spec(config, found), now=datetime.now(UTC))  # certificates live in the wall's time
    if made.made:
        report(Progress(Kind.STEP, f"Keys made in {keys}: {', '.join(made.made)}. Back this folder up."))
    archives = artifacts(config, found, keys, folder)
    paths = write(build / config.name / "artifacts", archives)
    bucket = _bucket(config, aws, only_look=only_look, clock=clock or RealClock(), report=report)
    parameters = values(stack, archives, bucket.name, bucket.key_arn)
    workspace.write("cluster.yaml", stack.text)
    workspace.write("parameters.json", json.dumps(parameters, indent=2) + "\n")
    workspace.write("found.json", json.dumps(asdict(found), indent=2) + "\n")
    uploads = tuple(
        Upload(path, archive.key(config.name), archive.sha256) for path, archive in zip(paths, archives, strict=True)
    )
    return Ready(
        stack,
        bucket,
        Deployment(
            stack=config.name,
            cluster=config.name,
            template=stack.text,
            parameters=parameters,
            tags={**config.tags, "kubecfn:cluster": config.name},
            artifacts=uploads,
            bucket=bucket if bucket.there else None,
            termination_protection=config.termination_protection,
        ),
    )


def _refuse_new_keys_for_an_old_cluster(config: Config, aws: Aws, keys: Path) -> None:
    """New authorities would cut every node and client of a running cluster off.

    Raises:
        FileError: the stack stands, and this machine has none of its keys.
    """
    if keys.exists():
        return
    stack = read_stack(aws, config.name)
    if stack.stands and stack.parameters.get("ControllerBundleSha256"):
        raise FileError(
            f"The cluster {config.name} is there, but its keys are not: {keys} does not exist.",
            remedy="Fetch them with kubecfn keys pull, or copy the folder from where the cluster was made.",
        )


def _bucket(config: Config, aws: Aws, *, only_look: bool, clock: Waiting, report: Reporter) -> ArtifactBucket:
    """Return the artifact bucket; one that is not there yet is made, or named as it will be."""
    if not only_look:
        return artifact_bucket(config, aws, clock=clock, report=report)
    there = existing_bucket(config, aws)
    if there:
        return there
    name = f"kubecfn-{aws.account}-{config.region}"
    report(Progress(Kind.NOTE, f"The artifact bucket {name} is not there yet; an apply makes it first."))
    placeholder = f"arn:{aws.partition}:kms:{config.region}:{aws.account}:key/made-by-the-first-apply"
    return ArtifactBucket(name, placeholder, there=False)
