"""From one configuration to everything that is sent: keys, bundles, function zips, the template and its parameters.

Nothing here talks to AWS; what AWS knows comes in as `Found` and as the artifact bucket's name and key.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubecfn.access.rights import access_objects
from kubecfn.addons.charts import with_network_chart
from kubecfn.addons.manifests import manifests
from kubecfn.artifacts import Artifact, NodeFacts, controller_bundle, etcd_client, lambda_zips, worker_bundle
from kubecfn.artifacts.authority import kubernetes_authority
from kubecfn.charts.extra import extra_objects
from kubecfn.charts.objects import refuse_repeats
from kubecfn.cluster_keys import known_domain
from kubecfn.config import Config, Found
from kubecfn.config.types import seconds
from kubecfn.deploy.workspace import write_file
from kubecfn.errors import KubecfnError
from kubecfn.node.documents import AUTHORITY, ENCRYPTION_KEY, controller_documents, worker_documents
from kubecfn.node.facts import Cluster
from kubecfn.template import build
from kubecfn.template.budgets import Budget, budgets, refuse_over_budget
from kubecfn.template.emit import emit_dict
from kubecfn.template.rules import check
from kubecfn.template.values import values as parameter_values
from kubecfn.versions import choose, release_of

# What `kubecfn apply` adds to the configuration's own tags: kubecfn:cluster.
OWN_STACK_TAGS = 1


@dataclass(frozen=True)
class Emitted:
    """A template that passed our rules and AWS's limits.

    Attributes:
        text: as it is sent: YAML.
        template: the same as a dictionary, intrinsics in long form.
        budgets: what is used of each limit.
    """

    config: Config
    found: Found
    text: str
    template: dict[str, Any]
    budgets: tuple[Budget, ...]

    def refuse_lint(self) -> None:
        """Raise what cfn-lint finds.

        Raises:
            KubecfnError: at least one finding, each with its rule and place.
        """
        from kubecfn.template.lint import lint  # noqa: PLC0415  cfn-lint costs seconds; only who lints pays

        findings = lint(self.text, self.config.region)
        if findings:
            raise KubecfnError(
                f"cfn-lint refuses the template of {self.config.name}:\n"
                + "\n".join(f"  {finding}" for finding in findings),
                remedy="This is a fault of kubecfn's: please report it with the configuration.",
            )

    def write(self, target: Path) -> None:
        """Write the template, atomically."""
        write_file(target, self.text)


def emitted(config: Config, found: Found) -> Emitted:
    """Return the cluster's template.

    Raises:
        WrongUseError: the configuration asks for what no template can say, or AWS's limits refuse.
        KubecfnError: a rule of ours refuses the template; that is a fault of kubecfn's.
    """
    template = build(config, found).to_dict()
    text = emit_dict(template)
    findings = check(template, config.region)
    if findings:
        raise KubecfnError(
            f"The template of {config.name} breaks rules that AWS would only show later:\n"
            + "\n".join(f"  {finding}" for finding in findings),
            remedy="This is a fault of kubecfn's: please report it with the configuration.",
        )
    used = budgets(template, text, len(config.tags) + OWN_STACK_TAGS)
    refuse_over_budget(config.name, used)
    return Emitted(config, found, text, template, tuple(used))


def artifacts(config: Config, found: Found, keys: Path, folder: Path = Path()) -> tuple[Artifact, ...]:
    """Return everything that is uploaded, from the trees of this package and what an operator brings.

    Args:
        config: the cluster.
        found: the IDs of outside resources.
        keys: the folder of its keys.
        folder: from which the configuration's paths are; that of its file.

    Raises:
        KubecfnError: keys are missing, or what the configuration names cannot be read or rendered.
    """
    from kubecfn import pki  # noqa: PLC0415  see kubecfn.cluster_keys

    versions = choose(config.kubernetes, config.etcd)
    every = seconds(config.backup.every)
    domain = known_domain(config, found)
    facts = NodeFacts(config.name, domain, str(versions.kubernetes), str(versions.etcd), every)
    client = pki.lambda_client(keys)
    controllers, workers = pki.bundle_files(keys, "controller"), pki.bundle_files(keys, "worker")
    cluster = node_cluster(config, domain)
    authority = workers[AUTHORITY.lstrip("/")].data
    key = controllers[ENCRYPTION_KEY.lstrip("/")].data
    brought = extra_objects(with_network_chart(cluster, config), folder)
    applied = (*manifests(cluster, config), *brought, *access_objects(config))
    refuse_repeats(applied)
    told = controller_documents(cluster, authority, key, applied, [role.name for role in config.access])
    return (
        controller_bundle(facts, controllers, told),
        worker_bundle(facts, workers, worker_documents(cluster, authority)),
        etcd_client(client.authority.data, client.certificate.data, client.key.data),
        kubernetes_authority(authority),
        *lambda_zips(),
    )


def node_cluster(config: Config, domain: str) -> Cluster:
    """Return the cluster as its nodes' documents need it."""
    versions = choose(config.kubernetes, config.etcd)
    return Cluster(
        name=config.name,
        domain=domain,
        region=config.region,
        kubernetes=versions.kubernetes,
        release=release_of(config.kubernetes),
        pod_cidr=config.network.pod_cidr,
        service_cidr=config.network.service_cidr,
        extra_sans=config.api.extra_sans,
        cloud=config.addons.cloud_controller,
        api_server_flags=config.controllers.api_server_flags,
        kubelet_flags=config.kubelet_flags,
    )


def values(stack: Emitted, made: tuple[Artifact, ...], bucket: str, key_arn: str) -> dict[str, str]:
    """Return a value for every parameter of the stack."""
    hashes = {artifact.parameter: artifact.sha256 for artifact in made}
    given = {"ArtifactBucket": bucket, "ArtifactKeyArn": key_arn, **hashes}
    return parameter_values(stack.template, given)
