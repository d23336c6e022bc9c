"""Devices follow what EC2 shows: one for every attached volume, none for any other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsal.disks import Plugged, Wanted, free, gone, missing, seen

HERE = Wanted("vol-1", 1, "i-1")
BOOTS = {"i-1": 10.0, "i-2": 20.0}


def shown(*, device: str = "", state: str = "attached") -> dict[str, Any]:
    """Return a volume as DescribeVolumes shows it."""
    held = [{"InstanceId": "i-1", "Device": device, "State": state}] if device else []
    return {"VolumeId": "vol-1", "Size": 1, "Attachments": held}


@pytest.mark.parametrize(
    ("volume", "instance"),
    [
        pytest.param(shown(device="/dev/xvdaa"), "i-1", id="attached"),
        pytest.param(shown(device="/dev/xvdaa", state="attaching"), "i-1", id="on its way"),
        pytest.param(shown(device="/dev/xvdaa", state="detached"), "", id="detached"),
        pytest.param(shown(), "", id="to nobody"),
        pytest.param(shown(device="/dev/xvda"), None, id="a root volume"),
    ],
)
def test_a_volume_is_where_ec2_says_that_it_is(volume: dict[str, Any], instance: str | None) -> None:
    """What instances boot from is theirs without anybody's doing."""
    found = seen([volume])

    assert (found["vol-1"].instance if found else None) == instance


@pytest.mark.parametrize(
    ("wanted", "boots", "goes"),
    [
        pytest.param({"vol-1": HERE}, BOOTS, False, id="it is as it was"),
        pytest.param({"vol-1": Wanted("vol-1", 2, "i-1")}, BOOTS, False, id="it is larger"),
        pytest.param({"vol-1": Wanted("vol-1", 1)}, BOOTS, True, id="detached"),
        pytest.param({"vol-1": Wanted("vol-1", 1, "i-2")}, BOOTS, True, id="elsewhere"),
        pytest.param({}, BOOTS, True, id="deleted"),
        pytest.param({"vol-1": HERE}, {"i-2": 20.0}, True, id="its instance is off"),
        pytest.param({"vol-1": HERE}, {"i-1": 11.0}, True, id="its instance was reset"),
    ],
)
def test_a_device_goes_with_its_attachment_or_its_instance(
    wanted: dict[str, Wanted], boots: dict[str, float], goes: bool
) -> None:
    """Whatever took it away; a device that stays is of the volume, the instance and the boot that it was made for."""
    assert gone({"vol-1": Plugged(HERE, 10.0, "nvme1n1")}, wanted, boots) == (["vol-1"] if goes else [])


def test_a_device_is_missing_where_an_instance_is_on() -> None:
    """A volume that is attached to nobody, or to an instance that is off, has none, and nobody has two."""
    wanted = {
        one.volume: one for one in (HERE, Wanted("vol-2", 1), Wanted("vol-3", 1, "i-3"), Wanted("vol-4", 1, "i-2"))
    }

    found = missing({"vol-4": Plugged(wanted["vol-4"], 20.0, "nvme1n1")}, wanted, BOOTS)

    assert found == [HERE]


def test_a_device_takes_the_first_name_that_is_free() -> None:
    """The root's is nobody else's."""
    assert (free([]), free(["nvme1n1", "nvme3n1"])) == ("nvme1n1", "nvme2n1")


def test_a_volume_is_found_by_its_serial_number() -> None:
    """The link has the volume's id without its hyphen, as programs look for it."""
    assert HERE.link == "nvme-Amazon_Elastic_Block_Store_vol1"
