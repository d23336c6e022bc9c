"""Make the zone equal to the controllers that exist now. Event or schedule: same work."""

from __future__ import annotations

import os
import time
from typing import Any

from kubecfn.etcd.settings import from_environment

from .aws import Aws
from .converge import converge
from .settings import Settings


def handle(_event: dict[str, Any], _context: object) -> dict[str, int]:
    """Return what was done. Errors are raised: silence must never read as success."""
    settings = from_environment(Settings, os.environ)
    return converge(Aws.connect(), settings, time.sleep)
