"""What the template tells this function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """One field per environment variable.

    Attributes:
        group: name of the controllers' auto scaling group.
        hook: name of its terminating lifecycle hook.
        stack: name or id of the cluster's stack.
    """

    group: str
    hook: str
    stack: str
