"""The seam between the CloudFormation engine and the resource types it can make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kubecfn.local.clock import Clock

Properties = dict[str, Any]


class UnsupportedError(Exception):
    """A resource type or property that is not emulated: said loudly, never skipped."""


@dataclass(frozen=True)
class Context:
    """Where and for whom a resource is made.

    Attributes:
        client: ``client("ec2")`` gives a boto3 client in the stack's region.
        partition: ``aws``, ``aws-us-gov``, ``aws-cn``.
        tags: the stack's tags and the ``aws:cloudformation:*`` tags that every taggable resource carries.
    """

    client: Callable[[str], Any]
    region: str
    account: str
    partition: str
    stack_name: str
    stack_id: str
    logical_id: str
    clock: Clock
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """A resource that exists.

    Attributes:
        physical_id: what ``Ref`` gives.
        attributes: what ``Fn::GetAtt`` can ask for, by attribute name.
    """

    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Provider(Protocol):
    """How one resource type is made, changed in place and deleted over the service's ordinary API.

    A property that is not emulated raises `UnsupportedError` naming it. What the service refuses arrives as
    `botocore.exceptions.ClientError`.
    """

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the resource."""

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Made:
        """Change it in place; replacement is the engine's business (a new create, then a delete)."""

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it; "there is none" is success."""
