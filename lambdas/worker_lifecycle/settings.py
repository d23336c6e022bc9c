"""What the template tells this function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """One field per environment variable.

    Attributes:
        cluster: the cluster's name, as its pools' groups carry it in the tag ``kubecfn:cluster``.
        hook: name of every pool's terminating lifecycle hook.
        stack: name or id of the cluster's stack.
    """

    cluster: str
    hook: str
    stack: str
