"""What an instance's units wrote."""

from __future__ import annotations

from tests.rehearsal.cluster import until
from tests.rehearsal.machines import NspawnMachines

AGENT = "kubecfn-agent.service"


def written(machines: NspawnMachines, instance: str, unit: str, words: str, seconds: float = 30.0) -> list[str]:
    """Wait until a unit has written words; return those lines.

    Raises:
        DidNotHappenError: it does not write them.
    """
    found: list[str] = []

    def there() -> bool:
        lines = machines.journal(instance, "--unit", unit, "--output=cat").splitlines()
        found[:] = [line for line in lines if words in line]
        return bool(found)

    until(there, lambda: f"{unit} of {instance} does not say {words!r}", seconds)
    return found


def last(machines: NspawnMachines, instance: str) -> str:
    """Return what an agent wrote last."""
    return "; ".join(machines.journal(instance, "--unit", AGENT, "--output=cat", "--lines=3").splitlines())
