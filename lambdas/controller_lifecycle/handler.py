"""Let controllers leave that may, and collect what others left behind. Event or schedule: same work."""

from __future__ import annotations

import os
from typing import Any

from etcd_access.reach import LEASE, reach
from etcd_access.span import Invocation
from hooks.aws import RETAINED, Aws
from hooks.leaving import Answer, Verdict, is_going, leaving
from hooks.settle import settle

from kubecfn.etcd.journal import say
from kubecfn.etcd.look import Silence
from kubecfn.etcd.settings import from_environment
from kubecfn.etcd.store import now

from .act import Hands
from .leftovers import collect
from .run import RESERVE, run
from .see import Eyes
from .settings import Settings

_GRACE = 10.0


def handle(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Return what was done. Errors are raised: silence must never read as success."""
    settings = from_environment(Settings, os.environ)
    aws = Aws.connect()
    waiting = aws.waiting_in(settings.group)
    found = leaving(event, settings.hook, waiting)
    going = is_going(aws.stack_status(settings.stack))
    if not going and waiting and not found.ignored:
        done = _alone(aws, settings, Invocation(context), context.aws_request_id)
        going = is_going(aws.stack_status(settings.stack))
        if not going:
            return done
        # The stack's deletion began while this run waited for something that will not come any more.
        found = leaving({}, settings.hook, aws.waiting_in(settings.group))
    if going:
        _end_retained(aws, settings.group, going)
    elif not waiting and not found.ignored:
        say("ignore", f"there is no group {settings.group}")
    return settle(
        aws, settings.hook, found, lambda one: Verdict(Answer.CONTINUE, f"{going}: {one.instance} goes with it")
    )


def _end_retained(aws: Aws, group: str, going: str) -> None:
    """Let no retained instance hold up the deletion of its group."""
    for instance, state in aws.states_in(group).items():
        if state == RETAINED:
            say("terminate", f"{going}: {instance} goes with it", instance=instance)
            aws.terminate_retained(instance)


def _alone(aws: Aws, settings: Settings, span: Invocation, holder: str) -> dict[str, int]:
    """Work under a lease that outlives this invocation: two that decide at once could each remove one too many."""
    reached = reach(settings)
    if not reached.store.lease(LEASE, holder, span.left() + _GRACE):
        say("busy", "another run is at work; the schedule comes again")
        return {"busy": 1}
    try:
        eyes = Eyes(aws, reached, settings, Silence(span.monotonic), reached.forgotten())
        done = run(eyes, Hands(aws, reached, settings), span, lambda: is_going(aws.stack_status(settings.stack)))
        # Whoever waits is more than what is left over.
        quiet = done == {"waiting": 0}
        count = collect(reached, settings.bucket, now(), lambda: span.left() > RESERVE) if quiet else 0
        return done | ({"collected": count} if count else {})
    finally:
        reached.store.release(LEASE, holder)
