"""What EC2's hypervisor does with EBS volumes: a device appears in the instance that one is attached to, and goes again.

Volumes are files that take only what is written on them, devices are loop devices under the names that a Nitro instance
has for them: ``/dev/nvme1n1`` and the link by which its volume is found. The instance's root volume is none of them.

Source: EC2 User Guide, "Map Amazon EBS volumes to NVMe device names".
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

from .machines import NspawnMachines

ROOT = "/dev/xvda"
_LINKS = "disk/by-id"
_EVERY = 0.2


@dataclass(frozen=True)
class Wanted:
    """A volume as EC2 shows it.

    Attributes:
        volume: ``vol-…``.
        size: in GiB.
        instance: that it is attached to; empty when it is to none.
    """

    volume: str
    size: int
    instance: str = ""

    @property
    def link(self) -> str:
        """The name that udev gives to its device, by its serial number."""
        return f"nvme-Amazon_Elastic_Block_Store_{self.volume.replace('-', '')}"


@dataclass(frozen=True)
class Plugged:
    """A device that is in an instance.

    Attributes:
        of: the volume, as large as it was seen last.
        boot: when the instance was switched on; after the next time its ``/dev`` is empty.
        name: of the device.
    """

    of: Wanted
    boot: float
    name: str


def seen(volumes: Iterable[Mapping[str, Any]]) -> dict[str, Wanted]:
    """Return the volumes that DescribeVolumes shows, by their ids, without those that instances boot from."""
    found = {}
    for one in volumes:
        held = [each for each in one.get("Attachments", ()) if each["State"] in {"attaching", "attached"}]
        if all(each["Device"] != ROOT for each in held):
            instance = held[0]["InstanceId"] if held else ""
            found[one["VolumeId"]] = Wanted(one["VolumeId"], int(one["Size"]), instance)
    return found


def gone(plugged: Mapping[str, Plugged], wanted: Mapping[str, Wanted], boots: Mapping[str, float]) -> list[str]:
    """Return the volumes whose devices have to go: detached, elsewhere, or of an instance that was switched off.

    Args:
        plugged: devices by volume.
        wanted: volumes as EC2 shows them.
        boots: when each instance that is on was switched on.
    """
    return [
        volume
        for volume, one in plugged.items()
        if volume not in wanted or wanted[volume].instance != one.of.instance or boots.get(one.of.instance) != one.boot
    ]


def missing(plugged: Mapping[str, Plugged], wanted: Mapping[str, Wanted], boots: Mapping[str, float]) -> list[Wanted]:
    """Return the volumes that are attached to an instance that is on, and have no device there."""
    return [one for volume, one in wanted.items() if volume not in plugged and one.instance in boots]


def free(taken: Iterable[str]) -> str:
    """Return the first name that no device of an instance has; ``nvme0n1`` is its root's."""
    names = set(taken)
    return next(name for number in count(1) if (name := f"nvme{number}n1") not in names)


class Disks:
    """Follows EC2's volumes from `__enter__` to `__exit__`.

    Args:
        ec2: a client of the account.
        machines: the instances.
        folder: to be made; where the volumes lie.

    Attributes:
        happened: what was done, in order, for whoever looks.
        error: why it follows no longer; empty while it does.
    """

    def __init__(self, ec2: Any, machines: NspawnMachines, folder: Path) -> None:
        self._ec2, self._machines, self._folder = ec2, machines, folder
        self._plugged: dict[str, Plugged] = {}
        self._held: dict[str, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="disks", daemon=True)
        self.happened: list[str] = []
        self.error = ""

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for volume in list(self._plugged):
            self._unplug(volume)

    @property
    def files(self) -> frozenset[str]:
        """The volumes that hold anything."""
        return frozenset(file.name for file in self._folder.iterdir())

    def _run(self) -> None:
        while not self._over.wait(_EVERY):
            try:
                self._follow()
            except Exception as error:  # noqa: BLE001  told to whoever waits for a device that does not come
                self.error = f"{type(error).__name__}: {error}"
                return

    def _follow(self) -> None:
        wanted = seen(self._ec2.describe_volumes()["Volumes"])
        boots = {one: self._machines.booted_at(one) for one in self._machines.alive}
        for volume in gone(self._plugged, wanted, boots):
            self._unplug(volume)
        for volume in self.files - set(wanted):
            (self._folder / volume).unlink()
            self.happened.append(f"{volume} is thrown away")
        for one in missing(self._plugged, wanted, boots):
            self._plug(one, boots[one.instance])
        for one in wanted.values():
            if one.volume in self._plugged and one.size > self._plugged[one.volume].of.size:
                self._grow(one)

    def _plug(self, one: Wanted, boot: float) -> None:
        devices = self._machines.devices(one.instance)
        if devices is None:
            return
        file = self._folder / one.volume
        with file.open("ab") as made:
            made.truncate(one.size << 30)
        loop = _said("losetup", "--find", "--show", str(file))
        # From now on it is there for as long as somebody has it open: nothing stays of a run that is killed.
        self._held[one.volume] = os.open(loop, os.O_RDWR)
        _said("losetup", "--detach", loop)
        name = free(each.name for each in self._plugged.values() if each.of.instance == one.instance)
        os.mknod(devices / name, stat.S_IFBLK | 0o660, os.fstat(self._held[one.volume]).st_rdev)
        (devices / _LINKS).mkdir(parents=True, exist_ok=True)
        (devices / _LINKS / one.link).symlink_to(f"../../{name}")
        self._plugged[one.volume] = Plugged(one, boot, name)
        self.happened.append(f"{one.volume} is {name} of {one.instance}")

    def _unplug(self, volume: str) -> None:
        one = self._plugged.pop(volume)
        devices = self._machines.devices(one.of.instance)
        if devices and self._machines.booted_at(one.of.instance) == one.boot:
            with contextlib.suppress(OSError):  # it is being switched off
                (devices / _LINKS / one.of.link).unlink(missing_ok=True)
                (devices / one.name).unlink(missing_ok=True)
        os.close(self._held.pop(volume))
        self.happened.append(f"{volume} leaves {one.of.instance}")

    def _grow(self, one: Wanted) -> None:
        os.truncate(self._folder / one.volume, one.size << 30)
        _said("losetup", "--set-capacity", str(Path(f"/proc/self/fd/{self._held[one.volume]}").readlink()))
        had = self._plugged[one.volume]
        self._plugged[one.volume] = Plugged(one, had.boot, had.name)
        self.happened.append(f"{one.volume} has {one.size} GiB")


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
