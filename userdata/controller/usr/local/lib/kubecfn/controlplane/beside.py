"""The control plane as a controller's member starts it: with systemd, real time, and everything that guards the cluster."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Tuple

from agent import units
from agent.node import Instance, Node
from agent.patience import Patience
from agent.steps import StepFailed
from approver.approver import Approver
from member.identity import Identity

from kubecfn.kubernetes.client import Client

from . import renewal
from .service import Around, ControlPlane

NAMESPACE = "kubecfn"


def control_plane(  # noqa: PLR0917  all that a control plane is made of
    node: Node,
    instance: Instance,
    found: Identity,
    aws: Callable[[str], Any],
    stop: threading.Event,
    patience: Patience,
    news: Callable[[], None],
    outcry: Callable[[StepFailed], None],
) -> ControlPlane:
    """Return this controller's control plane; it is not started yet.

    Args:
        node: what the bundle says.
        instance: how this instance speaks to AWS.
        found: where it is in AWS.
        aws: makes a client of a service.
        stop: set when the agent has to end.
        patience: how long a call is tried again.
        news: called when how the control plane is has changed.
        outcry: is told what a person might have to mend.
    """
    ec2, scaling = aws("ec2"), aws("autoscaling")
    own = units.units(node.root)

    def approve(client: Client) -> None:
        Approver(client, ec2, scaling, cluster=node.cluster, account=found.account, clock=time).run(stop)

    watch = aws("cloudwatch")

    def publish(found: Tuple[renewal.Life, ...]) -> None:
        data = renewal.metrics(node.cluster, found, time.time())
        if data:
            watch.put_metric_data(Namespace=NAMESPACE, MetricData=data)

    def renew(client: Client) -> None:
        mine = renewal.Renewal(node.root, client, found.instance, own, renewal.Components())
        renewal.look_after(mine, publish, outcry, stop)

    return ControlPlane(
        Around(
            root=node.root,
            node=node,
            instance=instance,
            found=found,
            units=own,
            stop=stop,
            patience=patience,
            news=news,
            guards=(approve, renew),
        )
    )
