"""The stack as one plain CloudFormation template: reading `build` from top to bottom is reading the architecture."""

from __future__ import annotations

from collections.abc import Mapping

from troposphere import GetAtt, Template

from kubecfn.config import Config, Found
from kubecfn.node.here import DRAIN_ROLE_TAG, WORKER_ROLE_TAG
from kubecfn.template.access import add_access
from kubecfn.template.alarms import add_alarms
from kubecfn.template.budgets import within_limits
from kubecfn.template.cluster_functions import (
    FUNCTIONS,
    Draining,
    add_controller_lifecycle,
    add_discovery,
    add_etcd_backup,
    add_way_to_etcd,
    add_worker_lifecycle,
)
from kubecfn.template.controllers import add_controllers
from kubecfn.template.dns import add_dns
from kubecfn.template.emit import emit
from kubecfn.template.launch_template import add_volume_keys
from kubecfn.template.load_balancer import add_load_balancer
from kubecfn.template.logs import add_log_group
from kubecfn.template.network import add_network
from kubecfn.template.node_role import NodeRole, add_worker_role
from kubecfn.template.outputs import add_outputs
from kubecfn.template.parameters import add_inputs
from kubecfn.template.pools import add_pools
from kubecfn.template.security_groups import add_security_groups
from kubecfn.template.storage import add_storage
from kubecfn.template.values import values

__all__ = ["build", "emit", "parameters"]


def build(config: Config, found: Found) -> Template:
    """Return the whole stack. A part uses only what it is handed and what it makes.

    Args:
        config: the cluster.
        found: the IDs of outside resources; what is not known becomes a parameter without a default.

    Raises:
        WrongUseError: the configuration asks for what no template can say.
        KubecfnError: it asks for more resources or parameters than a template may have.
    """
    template = Template(Description=f"kubecfn: Kubernetes cluster {config.name}")
    template.set_version()
    with within_limits(config.name):
        network = add_network(template, config, found)
        zone = add_dns(template, config, found, network)
        security = add_security_groups(template, config, network)
        api = add_load_balancer(template, config, network, zone, security)
        inputs = add_inputs(template, config, found)
        keys = add_volume_keys(template, config)
        storage = add_storage(template, config)
        log = add_log_group(template, config, inputs, storage, logical_id="NodeLogGroup", last="nodes")
        discovery = add_discovery(template, config, inputs, storage, zone)
        to_etcd = add_way_to_etcd(template, config, inputs, network=network, security=security, storage=storage)
        leaving = add_controller_lifecycle(template, config, inputs, storage, to_etcd)
        backups = add_etcd_backup(template, config, inputs, storage, to_etcd)
        draining = add_worker_lifecycle(
            template, config, inputs, storage, network=network, security=security, zone=zone, log=log
        )
        workers = add_worker_role(template, config, inputs, log)
        people = add_access(template, config)
        controllers = add_controllers(
            template,
            config,
            inputs=inputs,
            network=network,
            security=security,
            api=api,
            log=log,
            storage=storage,
            volume_keys=keys,
            roles={**people, **_of_nodes(workers, draining)},
            triggers=(*discovery, *leaving, *backups),
        )
        add_alarms(template, config, (*FUNCTIONS, *draining.functions), controllers.ready)
        pools = add_pools(
            template,
            config,
            inputs=inputs,
            network=network,
            security=security,
            controllers=controllers,
            workers=workers,
            log=log,
            volume_keys=keys,
            triggers=draining.triggers,
        )
        add_outputs(
            template,
            network=network,
            zone=zone,
            api=api,
            storage=storage,
            log=log,
            controllers=controllers,
            pools=pools,
        )
    return template


def _of_nodes(workers: NodeRole | None, draining: Draining) -> dict[str, GetAtt]:
    """Return the roles by which workers come to the API and are let go, by the tag in which a controller finds each."""
    known = {WORKER_ROLE_TAG: workers and workers.arn, DRAIN_ROLE_TAG: draining.role_arn}
    return {tag: arn for tag, arn in known.items() if arn}


def parameters(config: Config, found: Found, artifacts: Mapping[str, str]) -> dict[str, str]:
    """Return a value for every parameter of the stack (parameters.json).

    Args:
        config: the cluster.
        found: the IDs of outside resources.
        artifacts: ArtifactBucket, ArtifactKeyArn and the ``…Sha256`` of every artifact, by the parameter's name.

    Raises:
        KubecfnError: parameters without a value, by name.
    """
    return values(build(config, found).to_dict(), artifacts)
