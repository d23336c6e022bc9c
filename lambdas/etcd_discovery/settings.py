"""What the template tells this function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """One field per environment variable.

    Attributes:
        group: name of the controllers' auto scaling group.
        zone_id: of the cluster's own hosted zone.
        domain: the zone's name, without a trailing dot.
        ttl: of every record, in seconds.
    """

    group: str
    zone_id: str
    domain: str
    ttl: int
