"""What is known of an instance from the moment it is launched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Instance:
    """One EC2 instance as its machine needs to know it.

    Attributes:
        id: ``i-…``.
        user_data: as launched, decoded; empty when there is none.
        private_ip: dotted, as EC2 shows it (`Machines.address`).
        profile_arn: ARN of the instance profile; empty when there is none.
        tags: instance tags; shown by the metadata service only when `tags_in_metadata`.
    """

    id: str
    region: str
    zone: str
    account: str
    image_id: str
    instance_type: str
    private_ip: str
    mac: str
    architecture: str
    launched: str
    user_data: bytes = b""
    profile_arn: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    tags_in_metadata: bool = False


# What a running instance asks of its surroundings: the target state of its lifecycle, empty when it is in no group.
TargetState = Callable[[], str]
