"""Are the nodes those that the groups have, well, of the release that is configured, and where they should be?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubecfn.config import Pool
from kubecfn.node.here import POOL_LABEL
from kubecfn.smoke.check import Found, found
from kubecfn.smoke.seen import Node
from kubecfn.smoke.subject import CONTROLLERS, Subject
from kubecfn.template.names import pool_id
from kubecfn.versions import choose

_ZONE = "topology.kubernetes.io/zone"
STATIC = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def controllers(subject: Subject) -> Found:
    """Every controller in service is a Ready node of the configured release with its three static pods, and no other is."""
    version = f"v{choose(subject.config.kubernetes, subject.config.etcd).kubernetes}"
    wanted = subject.in_service.get(CONTROLLERS, {})
    nodes = {name: one for name, one in subject.nodes.items() if one.controller}
    problems = [
        *_count(len(wanted), subject.config.controllers.count),
        *_pairs(wanted, nodes, version),
        *_served(subject, version),
        *_static(subject, nodes),
    ]
    return found(problems, f"{len(nodes)} nodes Ready on {version}, their control plane is running")


def workers(subject: Subject) -> Found:
    """Every worker in service is a Ready node with its pool's labels in its own zone, and no other is."""
    version = f"v{choose(subject.config.kubernetes, subject.config.etcd).kubernetes}"
    nodes = {name: one for name, one in subject.nodes.items() if not one.controller}
    problems: list[str] = []
    everyone: dict[str, str] = {}
    for pool in subject.config.pools:
        wanted = subject.pool(pool_id(pool), each=pool.zones == "each")
        if len(wanted) < pool.min:
            problems.append(f"pool {pool.name} has {len(wanted)} of at least {pool.min} workers in service")
        labels = {**pool.labels, POOL_LABEL: pool.name}
        problems += [
            f"{name} of pool {pool.name} {trouble}"
            for name in sorted(wanted)
            if name in nodes
            for trouble in _labelled(nodes[name], labels)
        ]
        everyone |= wanted
    problems += _pairs(everyone, nodes, version)
    cordoned = sorted(name for name, one in nodes.items() if one.cordoned)
    problems += [f"{name} takes no new pods (it is cordoned)" for name in cordoned]
    return found(problems, f"{len(nodes)} nodes Ready on {version} in {_pools(subject.config.pools)}")


def _pools(pools: tuple[Pool, ...]) -> str:
    return "1 pool" if len(pools) == 1 else f"{len(pools)} pools"


def _count(there: int, wanted: int) -> Iterator[str]:
    if there != wanted:
        yield f"{there} of {wanted} controllers are in service"


def _pairs(instances: Mapping[str, str], nodes: Mapping[str, Node], version: str) -> Iterator[str]:
    """Yield what differs between a group's instances and the nodes."""
    yield from (f"{one} is in service and is no node" for one in sorted(set(instances) - set(nodes)))
    yield from (f"{one} is a node and no instance in service" for one in sorted(set(nodes) - set(instances)))
    for name, one in sorted(nodes.items()):
        if one.trouble:
            yield f"{name}: {one.trouble}"
        elif one.version != version:
            yield f"{name} runs kubelet {one.version or 'of no known release'}, {version} is configured"
        zone = instances.get(name, "")
        if zone and one.labels.get(_ZONE) != zone:
            yield f"{name} is in {zone}, and its label says {one.labels.get(_ZONE) or 'nothing'}"


def _served(subject: Subject, version: str) -> Iterator[str]:
    served = subject.client.get("/version").get("gitVersion", "")
    if served != version:
        yield f"the API server is {served}, {version} is configured"


def _static(subject: Subject, nodes: Mapping[str, Node]) -> Iterator[str]:
    """Yield what is wrong with the control plane's pods, whose names end in their node's."""
    pods = {one.name: one for one in subject.system_pods}
    for program in STATIC:
        for name in sorted(nodes):
            made = pods.get(f"{program}-{name}")
            if made is None:
                yield f"{program} of {name} is not there"
            elif made.trouble:
                yield f"{program} of {name}: {made.trouble}"


def _labelled(one: Node, wanted: Mapping[str, str]) -> Iterator[str]:
    for key, value in sorted(wanted.items()):
        if one.labels.get(key) != value:
            yield f"has {key}={one.labels.get(key, 'nothing')}, not {value or 'an empty value'}"
