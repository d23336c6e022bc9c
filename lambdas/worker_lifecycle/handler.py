"""Let workers leave that are drained: whom an event names, and by schedule all that wait. Event or schedule: same work."""

from __future__ import annotations

import os
from typing import Any

from etcd_access.span import Invocation
from hooks.aws import Aws
from hooks.leaving import Answer, Leaving, Verdict, is_going, leaving
from hooks.settle import settle

from kubecfn.etcd.journal import say
from kubecfn.etcd.settings import from_environment

from .access import nodes
from .act import Hands
from .report import report
from .run import Run
from .settings import Settings

# Amazon EC2 User Guide, "Spot Instance interruption notices", section "EC2 Spot Instance interruption warning".
INTERRUPTION = "EC2 Spot Instance Interruption Warning"


def handle(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Return what was done. Errors are raised: silence must never read as success."""
    settings = from_environment(Settings, os.environ)
    aws, span = Aws.connect(), Invocation(context)
    if event.get("detail-type") == INTERRUPTION:
        instance = str(event["detail"]["instance-id"])
        say("interruption", f"EC2 takes {instance} back within two minutes", instance=instance)
        return Run(aws, _hands(settings, forgets=False), settings).watch(instance, span)
    found = leaving(event, settings.hook, aws.waiting_in_pools(settings.cluster))
    if found.ignored or not found.leaving:
        return settle(aws, settings.hook, found, lambda one: Verdict(Answer.WAIT, f"{one.instance} is not looked at"))

    def going() -> str:
        return is_going(aws.stack_status(settings.stack))

    if not going():
        done = Run(aws, _hands(settings), settings).run(found.leaving, span, going)
        if not done["waiting"] or not going():
            return done
        # The stack's deletion began while this run waited for pods that nobody needs any more.
        found = leaving({}, settings.hook, aws.waiting_in_pools(settings.cluster))
    return settle(aws, settings.hook, found, lambda one: _goes_with(going(), one))


def _goes_with(going: str, one: Leaving) -> Verdict:
    return Verdict(Answer.CONTINUE, f"{going}: {one.instance} goes with it")


def _hands(settings: Settings, *, forgets: bool = True) -> Hands:
    return Hands(nodes(settings), report(settings.node_log), forgets)
