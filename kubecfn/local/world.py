"""What a service of the embedded AWS is handed: time, the ordinary API of the others, and a place for files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubecfn.local.clock import Clock


@dataclass(frozen=True)
class World:
    """The surroundings of one emulated account.

    Attributes:
        clock: simulated time.
        account: twelve digits.
        client: ``client(service, region)`` gives a boto3 client against the gate, signed as the services themselves
            would act (`caller` is the account's operator).
        endpoint: the gate's address, ``http://127.0.0.1:PORT``; known only once it listens, so a function.
        workdir: an existing folder for instances' roots and unpacked functions.
    """

    clock: Clock
    account: str
    client: Callable[[str, str], Any]
    endpoint: Callable[[], str]
    workdir: Path


def partition_of(region: str) -> str:
    """Return the partition a region belongs to: ``aws``, ``aws-us-gov`` or ``aws-cn`` (AWS: "Regions and Zones")."""
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws-cn" if region.startswith("cn-") else "aws"
