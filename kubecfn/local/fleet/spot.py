"""EC2 takes a spot instance back: a warning, and two minutes later the end, whatever a hook or an agent says.

Source: Amazon EC2 User Guide, "Spot Instance interruption notices"; "Spot Instance interruptions", section "Behavior of
Spot Instance interruptions" (Terminate). It looks at no price and no capacity: a test says when.
"""

from __future__ import annotations

from kubecfn.local.fleet.agenda import Agenda
from kubecfn.local.fleet.notices import Notices
from kubecfn.local.world import World

WARNED_BEFORE = 120.0


def interrupt(world: World, agenda: Agenda, notices: Notices, region: str, instance_id: str) -> None:
    """Warn that an instance is interrupted, and terminate it two simulated minutes later."""
    notices.interruption(region, instance_id)

    def end() -> None:
        world.client("ec2", region).terminate_instances(InstanceIds=[instance_id])

    agenda.after(WARNED_BEFORE, end)
