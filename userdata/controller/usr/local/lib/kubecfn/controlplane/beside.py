"""The control plane as a controller's member starts it: with systemd, real time, and everything that guards the cluster."""

from __future__ import annotations

import threading
from typing import Any, Callable

from agent import units
from agent.node import Instance, Node
from agent.patience import Patience
from approver.approver import Approver
from member.identity import Identity

from kubecfn.kubernetes.client import Client

from .service import Around, ControlPlane


def control_plane(  # noqa: PLR0917  all that a control plane is made of
    node: Node,
    instance: Instance,
    found: Identity,
    aws: Callable[[str], Any],
    stop: threading.Event,
    patience: Patience,
    news: Callable[[], None],
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
    """
    approver = Approver(aws("ec2"), aws("autoscaling"), node.cluster, found.account)

    def approve(client: Client) -> None:
        approver.run(client, stop)

    return ControlPlane(
        Around(
            root=node.root,
            node=node,
            instance=instance,
            found=found,
            units=units.units(node.root),
            stop=stop,
            patience=patience,
            news=news,
            guards=(approve,),
        )
    )
