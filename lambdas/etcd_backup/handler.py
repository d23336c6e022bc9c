"""Watch the backups; or answer the question that was asked."""

from __future__ import annotations

import os
from typing import Any

from etcd_access.reach import client, reach
from etcd_access.span import Invocation

from kubecfn.etcd.settings import from_environment

from .questions import answer
from .settings import Settings
from .watch import Watch


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return what was found. Errors are raised: silence must never read as success."""
    settings = from_environment(Settings, os.environ)
    reached, span = reach(settings), Invocation(context)
    if "ask" in event:
        return answer(reached, event, span, context.aws_request_id)
    return Watch(reached, client("cloudwatch"), settings, span).run()
