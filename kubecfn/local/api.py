"""The seam between the gate and the services answered here: one call in, one answer or one error out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """One API call as AWS would see it.

    Attributes:
        service: botocore's service name, e.g. ``autoscaling``, ``elbv2``.
        operation: the API's own name, e.g. ``CompleteLifecycleAction``.
        params: parsed parameters under the API's own names; what was not sent is absent.
        account: twelve digits.
        region: e.g. ``eu-central-1``.
        caller: ARN of the user or assumed-role session that signed the call.
    """

    service: str
    operation: str
    params: Mapping[str, Any]
    account: str
    region: str
    caller: str


Answer = dict[str, Any]
Handler = Callable[[Call], Answer]
# (botocore service name, API operation) -> who answers it; everything else goes to moto.
Operations = Mapping[tuple[str, str], Handler]
# (botocore service name, API operation) -> what the body of moto's good answer becomes before anyone sees it.
View = Callable[[bytes], bytes]
Views = Mapping[tuple[str, str], View]


@dataclass(frozen=True)
class Service:
    """What a service of ours hands to the composition; its entry point is ``service(world, ...) -> Service``.

    Attributes:
        operations: what it answers.
        close: ends its threads and processes; called once, while the gate still listens.
        views: how moto's answers are shown.
    """

    operations: Operations
    close: Callable[[], None]
    views: Views = field(default_factory=dict, kw_only=True)


class ServiceError(Exception):
    """An error as the service itself would answer it.

    Args:
        code: the service's own error code, e.g. ``ValidationError``.
        message: the service's own words.
        status: HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class PassOnError(Exception):
    """Let moto answer after all: what had to happen first has happened."""
