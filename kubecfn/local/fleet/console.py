"""What an instance's user data wrote, as EC2 shows it.

Source: EC2 API reference, GetConsoleOutput: Base64; the newest 64 KB.
"""

from __future__ import annotations

import base64

from botocore.exceptions import ClientError

from kubecfn.local.api import Answer, Call, ServiceError
from kubecfn.local.fleet.machines import Machines
from kubecfn.local.world import World

KEPT = 64 * 1024


def console_output(machines: Machines, world: World, call: Call) -> Answer:
    """GetConsoleOutput; always the latest."""
    instance_id = str(call.params["InstanceId"])
    try:
        world.client("ec2", call.region).describe_instance_attribute(InstanceId=instance_id, Attribute="instanceType")
    except ClientError as error:
        raise ServiceError(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
    text = base64.b64encode(machines.console(instance_id)[-KEPT:]).decode()
    return {"InstanceId": instance_id, "Timestamp": world.clock.now(), "Output": text}
