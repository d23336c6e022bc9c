"""What EC2 does about volumes and moto does not: a request to make one that comes twice makes one.

Source: EC2 API Reference, CreateVolume, ClientToken; "Ensuring idempotency in Amazon EC2 API requests".
"""

from __future__ import annotations

import threading
from typing import Any

from botocore.exceptions import ClientError

from kubecfn.local.api import Answer, Call, Handler, PassOnError, ServiceError
from kubecfn.local.world import World

_MISMATCH = "IdempotentParameterMismatch"
_WORDS = "The client token {!r} was used before, in a request with other parameters."


def operations(world: World) -> dict[tuple[str, str], Handler]:
    """Return what is answered here instead of by moto."""
    return {("ec2", "CreateVolume"): _Making(world)}


class _Making:
    """Makes volumes, and remembers by whose token each was made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str, str], tuple[dict[str, Any], dict[str, Any]]] = {}

    def __call__(self, call: Call) -> Answer:
        """Make a volume, or return the one that this token made.

        Raises:
            ServiceError: the token made another one, or moto refuses.
            PassOnError: a service of ours asks, or somebody wants to know only whether it may.
        """
        wanted = dict(call.params)
        token = str(wanted.pop("ClientToken", ""))
        if not token or call.caller == "service" or wanted.get("DryRun"):
            raise PassOnError
        key = (call.account, call.region, token)
        with self._lock:
            if key in self._made:
                before, answer = self._made[key]
                if before != wanted:
                    raise ServiceError(_MISMATCH, _WORDS.format(token))
                return answer
            answer = self._make(call, wanted)
            self._made[key] = (wanted, answer)
            return answer

    def _make(self, call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
        try:
            made: dict[str, Any] = self._world.client("ec2", call.region).create_volume(**wanted)
        except ClientError as error:
            raise ServiceError(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
        made.pop("ResponseMetadata", None)
        return made
