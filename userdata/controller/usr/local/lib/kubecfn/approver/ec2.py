"""What EC2 and Auto Scaling say of an instance: whether it runs, is the cluster's, and which names and addresses it has.

1. It is the cluster's when a group that carries the cluster's tag lists it, and has not told it to leave.
2. Its names and addresses are those of all its network interfaces, public ones too, and its id, which is its node's name.
3. An instance that only begins to run is not answered for yet; nor is any while AWS cannot be asked.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Callable, Dict, FrozenSet, Iterator, Mapping, Optional, Tuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.node.approval import Instance

CLUSTER_TAG = "kubecfn:cluster"
# Amazon EC2 Auto Scaling User Guide, "Amazon EC2 Auto Scaling instance lifecycle": these have not been told to leave.
_STAYING = frozenset({"InService", "Pending", "Pending:Wait", "Pending:Proceed", "EnteringStandby", "Standby"})
_REMEMBERED = 3.0  # seconds for which an answer is not asked for again
_Answer = TypeVar("_Answer")


class NotAskedError(Exception):
    """AWS did not answer, or cannot say yet."""


class Registry:
    """The account's instances, as this cluster sees them.

    Args:
        ec2: a boto3 client.
        autoscaling: a boto3 client.
        cluster: its name, as the groups' tag has it.
        monotonic: seconds that never jump.
    """

    def __init__(self, ec2: Any, autoscaling: Any, cluster: str, monotonic: Callable[[], float]) -> None:
        self._ec2, self._autoscaling, self._cluster = ec2, autoscaling, cluster
        self._monotonic = monotonic
        self._known: Dict[str, Tuple[float, Any]] = {}

    def instance(self, id_: str) -> Optional[Instance]:
        """Return what is known of an instance; None when EC2 knows none of this id.

        Raises:
            NotAskedError: nothing can be said now.
        """
        try:
            described = self._remembered(id_, lambda: self._described(id_))
            states = self._remembered("", self._states)
            if states.get(id_) not in _STAYING:
                # Not from before the instance was known: the answer would be no, and stay.
                states = self._remembered("", self._states, since=self._known[id_][0])
        except (BotoCoreError, ClientError) as error:
            raise NotAskedError(f"AWS could not be asked about {id_}: {error}") from error
        if described is None:
            return None
        state = described["State"]["Name"]
        if state == "pending":
            raise NotAskedError(f"{id_} only begins to run")
        return Instance(
            id_,
            running=state == "running",
            ours=states.get(id_) in _STAYING,
            names=frozenset({id_, *_names(described)}),
            addresses=_addresses(described),
        )

    def _remembered(self, key: str, ask: Callable[[], _Answer], since: float = 0.0) -> _Answer:
        """Return the last answer when it is young enough, and not from before `since`; else ask."""
        now = self._monotonic()
        self._known = {one: known for one, known in self._known.items() if now - known[0] < _REMEMBERED}
        if key not in self._known or self._known[key][0] < since:
            self._known[key] = now, ask()
        answer: _Answer = self._known[key][1]
        return answer

    def _described(self, id_: str) -> Optional[Mapping[str, Any]]:
        # By a filter: to ask by id is an error while EC2 does not know it.
        told = self._ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [id_]}])
        found = [one for each in told["Reservations"] for one in each["Instances"]]
        return found[0] if found else None

    def _states(self) -> Dict[str, str]:
        """Return the lifecycle state of each instance in the cluster's groups."""
        filters = [{"Name": f"tag:{CLUSTER_TAG}", "Values": [self._cluster]}]
        pages = self._autoscaling.get_paginator("describe_auto_scaling_groups").paginate(Filters=filters)
        return {
            one["InstanceId"]: one["LifecycleState"]
            for page in pages
            for group in page["AutoScalingGroups"]
            for one in group["Instances"]
        }


def _names(described: Mapping[str, Any]) -> Iterator[str]:
    for holder in (described, *_private(described)):
        for name in (holder.get("PrivateDnsName"), _public(holder).get("PublicDnsName"), holder.get("PublicDnsName")):
            if name:
                yield name


def _addresses(described: Mapping[str, Any]) -> FrozenSet[str]:
    found = {described.get("PrivateIpAddress"), described.get("PublicIpAddress"), described.get("Ipv6Address")}
    for one in described.get("NetworkInterfaces", ()):
        found |= {each.get("Ipv6Address") for each in one.get("Ipv6Addresses", ())}
    for one in _private(described):
        found |= {one.get("PrivateIpAddress"), _public(one).get("PublicIp")}
    return frozenset(str(ipaddress.ip_address(one)) for one in found if one)


def _private(described: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield each interface, and each private address of it."""
    for one in described.get("NetworkInterfaces", ()):
        yield one
        yield from one.get("PrivateIpAddresses", ())


def _public(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = holder.get("Association") or {}
    return found
