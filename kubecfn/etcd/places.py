"""Where controllers are and whether they stay, as EC2 and the auto scaling group say.

1. An instance stays while the group has not told it to leave and EC2 does not end it.
2. EC2's "terminated" is believed. A stopped instance is not terminated: its data may come back.
3. To be absent is to be terminated only for an instance that was known long ago, when neither the group nor EC2 lists it
   and EC2 does list others of the group. Both answer from copies that may be some minutes old.
4. A retained instance (Terminating:Retained) runs, but was told to leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kubecfn.etcd.view import Machine

# Amazon EC2 API Reference, "Eventual consistency": most changes show within minutes.
FORGOTTEN_AFTER = timedelta(minutes=15)
# Amazon EC2 Auto Scaling User Guide, "Amazon EC2 Auto Scaling instance lifecycle": these have not been told to leave.
_STAYING = ("InService", "Pending", "Pending:Wait", "Pending:Proceed", "EnteringStandby", "Standby")
# On the controllers' group: how many there are to be.
SIZE_TAG = "kubecfn:size"
# Amazon EC2 API Reference, DescribeInstances: at most 200 values in one filter.
_VALUES = 200


class NoGroupError(Exception):
    """There is no auto scaling group of this name: nothing can be said about its instances."""


@dataclass(frozen=True)
class Place:
    """An instance. `address`: empty when EC2 has not said one. `staying`: in the group and not told to leave."""

    instance: str
    address: str
    machine: Machine
    staying: bool


@dataclass(frozen=True)
class Group:
    """The group's instances: those that are leaving and those that EC2 still remembers as terminated too.

    `size`: the voters the cluster is to have, by the group's own tag: while CloudFormation rolls a group it raises its
    MinSize ("Temporarily setting autoscaling group MinSize and DesiredCapacity to 4").
    """

    name: str
    size: int
    places: tuple[Place, ...]

    @property
    def expected(self) -> tuple[str, ...]:
        """The instances that stay."""
        return tuple(place.instance for place in self.places if place.staying)

    def at(self, address: str) -> Place | None:
        """Return who has this address; never a terminated instance, whose address may be another's by now."""
        alive = (place for place in self.places if place.machine is not Machine.TERMINATED)
        return next((place for place in alive if address and place.address == address), None)

    def was_at(self, address: str) -> Place | None:
        """Return which terminated instance had an address that no living one has; its member may be there still."""
        if self.at(address):
            return None
        return next((place for place in self.places if address and place.address == address), None)

    def place(self, instance: str) -> Place | None:
        """Return what is known about this instance."""
        return next((place for place in self.places if place.instance == instance), None)

    def remembering(self, machines: Mapping[str, Machine], addresses: Mapping[str, str] | None = None) -> Group:
        """Return the same with what EC2 has forgotten: instances (see `Fleet.machines`), and where terminated ones were.

        Args:
            machines: what became of instances; those that are known stay as they are.
            addresses: of terminated instances, as they said themselves while they lived.
        """
        known = {place.instance for place in self.places}
        more = [Place(one, "", machine, staying=False) for one, machine in sorted(machines.items()) if one not in known]
        had = addresses or {}
        return replace(
            self,
            places=tuple(
                replace(one, address=had.get(one.instance, ""))
                if one.machine is Machine.TERMINATED and not one.address
                else one
                for one in (*self.places, *more)
            ),
        )


@dataclass(frozen=True)
class Fleet:
    """EC2 and auto scaling as boto3 clients, looking at one group. What AWS refuses is the caller's to see."""

    autoscaling: Any
    ec2: Any
    name: str

    def group(self) -> Group:
        """Return the group as it is now.

        Raises:
            NoGroupError: it does not exist.
            ClientError: AWS refused or did not answer.
        """
        found = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        if not found:
            raise NoGroupError(f"there is no auto scaling group {self.name}")
        states = {one["InstanceId"]: str(one["LifecycleState"]) for one in found[0]["Instances"]}
        # By the tag, since terminated instances are no longer in the group; by id, since tags may show late.
        described = self._described("tag:aws:autoscaling:groupName", [self.name])
        described.update(self._described("instance-id", states.keys() - described.keys()))
        places = [_place(one, states.get(one), described.get(one)) for one in sorted(states.keys() | described.keys())]
        return Group(self.name, _size(found[0]), tuple(places))

    def machines(
        self, instances: Mapping[str, datetime], now: datetime, group: Group | None = None
    ) -> dict[str, Machine]:
        """Say what became of instances that were known once.

        Args:
            instances: since when each is known, aware.
            now: aware.
            group: as it was seen a moment ago; asked for when left out.

        Raises:
            NoGroupError: the group does not exist.
            ClientError: AWS refused or did not answer.
        """
        group = group or self.group()
        machines = {place.instance: place.machine for place in group.places}
        described = self._described("instance-id", instances.keys() - machines.keys())
        machines.update({one: _machine(None, _state(found)) for one, found in described.items()})
        believed = any(machine is not Machine.UNKNOWN for machine in machines.values())
        return {
            one: machines.get(one) or _absent(now - since if believed else timedelta(0))
            for one, since in instances.items()
        }

    def _described(self, name: str, values: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return EC2's instances by id. By a filter: asking by id fails as a whole while EC2 does not know one of them."""
        wanted, found = sorted(values), {}
        for start in range(0, len(wanted), _VALUES):
            filters = [{"Name": name, "Values": wanted[start : start + _VALUES]}]
            for page in self.ec2.get_paginator("describe_instances").paginate(Filters=filters):
                found.update({one["InstanceId"]: one for each in page["Reservations"] for one in each["Instances"]})
        return found


def _size(group: Mapping[str, Any]) -> int:
    """Return how many are wanted; by MinSize only in a group that was made without the tag."""
    tags = {tag["Key"]: tag["Value"] for tag in group.get("Tags", ())}
    return int(tags.get(SIZE_TAG) or group["MinSize"])


def _place(instance: str, lifecycle: str | None, described: Mapping[str, Any] | None) -> Place:
    machine = _machine(lifecycle, _state(described))
    staying = lifecycle in _STAYING and machine in (Machine.RUNNING, Machine.UNKNOWN)
    return Place(instance, str((described or {}).get("PrivateIpAddress", "")), machine, staying)


def _state(described: Mapping[str, Any] | None) -> str | None:
    return str(described["State"]["Name"]) if described else None


def _machine(lifecycle: str | None, state: str | None) -> Machine:
    """Return what an instance is, by the group's word (None: not in it) and EC2's (None: not known to it)."""
    if state == "terminated":
        return Machine.TERMINATED
    if state is None:
        return Machine.UNKNOWN
    if state == "shutting-down" or (lifecycle or "").startswith(("Terminating", "Terminated")):
        return Machine.LEAVING
    # Not in the group and not ended: launched since the group was asked, or its copy is old.
    return Machine.RUNNING if lifecycle else Machine.UNKNOWN


def _absent(known_for: timedelta) -> Machine:
    return Machine.TERMINATED if known_for > FORGOTTEN_AFTER else Machine.UNKNOWN
