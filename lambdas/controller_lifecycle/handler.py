"""Answer the hooks of controllers that are to leave: the one an event names, or by schedule all that wait."""

from __future__ import annotations

import os
from typing import Any

from hooks.aws import Aws
from hooks.leaving import leaving
from hooks.settle import settle

from kubecfn.etcd.settings import from_environment

from .decision import decide
from .settings import Settings


def handle(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Return what was done. Errors are raised: silence must never read as success."""
    settings = from_environment(Settings, os.environ)
    aws = Aws.connect()
    found = leaving(event, settings.hook, aws.waiting_in(settings.group))
    status = aws.stack_status(settings.stack)
    return settle(aws, settings.hook, found, lambda one: decide(one, status))
