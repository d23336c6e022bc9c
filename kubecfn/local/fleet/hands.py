"""What an instance of a group needs done by other services: EC2, elbv2 and the machine that runs it."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.local.fleet import notices
from kubecfn.local.fleet.instance import Instance
from kubecfn.local.fleet.machines import Machines
from kubecfn.local.fleet.model import Group, Member
from kubecfn.local.fleet.sources import recipe, run_arguments
from kubecfn.local.world import World

LOG = logging.getLogger("kubecfn.local")
TARGET_STATES = {"Pending": "InService", "InService": "InService", "Terminating": "Terminated"}
DEAD = ["shutting-down", "terminated", "stopping", "stopped"]
RETRY_AFTER = 10.0


@dataclass
class Hands:
    """Calls to the other services. No lock of the groups is held during any of them.

    Attributes:
        world: surroundings.
        machines: run the instances.
        notices: tell EventBridge.
    """

    world: World
    machines: Machines
    notices: notices.Notices
    _closed: threading.Event = field(default_factory=threading.Event)
    _switching_off: set[threading.Thread] = field(default_factory=set)

    def launch(self, group: Group, subnet: str) -> Member:
        """Start an EC2 instance, not yet switched on.

        Raises:
            ClientError: EC2 refuses.
            ServiceError: the launch template uses what is not emulated.
        """
        made = recipe(self.world, group)
        ec2 = self.world.client("ec2", group.region)
        found = ec2.run_instances(**run_arguments(self.world, group, made, subnet))["Instances"][0]
        return Member(
            id=found["InstanceId"],
            zone=group.zones[subnet],
            subnet=subnet,
            instance_type=found["InstanceType"],
            source=made.source,
            spot=made.spot,
            launched=self.world.clock.now(),
            protected=bool(group.settings.get("NewInstancesProtectedFromScaleIn")),
        )

    def power_on(self, group: Group, member: Member) -> None:
        """Switch the machine on with what EC2 says about the instance."""
        ec2 = self.world.client("ec2", group.region)
        self.notices.instance_state(group.region, member.id, "pending")
        found = ec2.describe_instances(InstanceIds=[member.id])["Reservations"][0]["Instances"][0]
        data = ec2.describe_instance_attribute(InstanceId=member.id, Attribute="userData").get("UserData", {})
        instance = _instance(self.world.account, group.region, found, str((data or {}).get("Value") or ""))

        def target_state() -> str:
            return TARGET_STATES.get(member.state.split(":")[0], "")

        self.machines.start(instance, self.world, target_state)
        self.notices.instance_state(group.region, member.id, "running")

    def power_off(self, group: Group, member: Member, ended: Callable[[], None]) -> None:
        """Shut the machine down, then tell EC2, then call `ended`; all in a thread of its own, because it waits."""

        def work() -> None:
            self.notices.instance_state(group.region, member.id, "shutting-down")
            self.machines.stop(member.id)
            while not self._closed.is_set():
                try:
                    self.world.client("ec2", group.region).terminate_instances(InstanceIds=[member.id])
                    break
                except (ClientError, BotoCoreError) as error:
                    if "InvalidInstanceID.NotFound" in str(error):
                        break
                    LOG.warning("instance %s could not be terminated yet: %s", member.id, error)
                    self.world.clock.wait(self._closed, RETRY_AFTER)
            self.notices.instance_state(group.region, member.id, "terminated")
            ended()

        self._in_background(member.id, work)

    def unplug(self, instance_id: str) -> None:
        """End a machine, in a thread of its own."""
        self._in_background(instance_id, lambda: self.machines.stop(instance_id))

    def not_running(self, group: Group, instance_ids: list[str]) -> dict[str, bool]:
        """Return those that do not run any more; True where EC2 says so, False where only the power is gone.

        EC2 is asked for dead ones only: an answer with sixty living instances costs twenty times as much.
        """
        if not instance_ids:
            return {}
        dead = dict.fromkeys((each for each in instance_ids if not self.machines.running(each)), False)
        found = self.world.client("ec2", group.region).describe_instances(
            InstanceIds=instance_ids, Filters=[{"Name": "instance-state-name", "Values": DEAD}]
        )
        for reservation in found["Reservations"]:
            for instance in reservation["Instances"]:
                dead[instance["InstanceId"]] = True
        return dead

    def register(self, group: Group, member: Member, target_group: str) -> bool:
        """Register an instance in a target group; False is tried again with the next look."""
        return self._targets(group, member, target_group, "register_targets")

    def deregister(self, group: Group, member: Member, target_group: str) -> bool:
        """Deregister it; a target group that is gone has no targets."""
        return self._targets(group, member, target_group, "deregister_targets")

    def close(self) -> None:
        """Wait for the machines that are being shut down."""
        self._closed.set()
        for thread in list(self._switching_off):
            thread.join(15)

    def _in_background(self, instance_id: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except Exception:
                LOG.exception("instance %s could not be switched off", instance_id)
            finally:
                self._switching_off.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"off-{instance_id}", daemon=True)
        self._switching_off.add(thread)
        thread.start()

    def _targets(self, group: Group, member: Member, target_group: str, operation: str) -> bool:
        call: Any = getattr(self.world.client("elbv2", group.region), operation)
        try:
            call(TargetGroupArn=target_group, Targets=[{"Id": member.id}])
        except (ClientError, BotoCoreError) as error:
            LOG.warning("%s of %s in %s: %s", operation, member.id, target_group, error)
            return False
        return True


def _instance(account: str, region: str, found: dict[str, Any], user_data: str) -> Instance:
    """Translate EC2's description."""
    interfaces = found.get("NetworkInterfaces") or [{}]
    octets = [int(octet) for octet in found["PrivateIpAddress"].split(".")]
    return Instance(
        id=found["InstanceId"],
        region=region,
        zone=found["Placement"]["AvailabilityZone"],
        account=account,
        image_id=found["ImageId"],
        instance_type=found["InstanceType"],
        private_ip=found["PrivateIpAddress"],
        mac=interfaces[0].get("MacAddress") or "02:00:" + ":".join(f"{octet:02x}" for octet in octets),
        architecture=found.get("Architecture", "x86_64"),
        launched=f"{found['LaunchTime']:%Y-%m-%dT%H:%M:%SZ}",
        user_data=base64.b64decode(user_data),
        profile_arn=(found.get("IamInstanceProfile") or {}).get("Arn", ""),
        tags={tag["Key"]: tag["Value"] for tag in found.get("Tags") or []},
        tags_in_metadata=(found.get("MetadataOptions") or {}).get("InstanceMetadataTags") == "enabled",
    )
