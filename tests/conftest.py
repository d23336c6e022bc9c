"""What holds for every test: no stop-watch, the same examples each time in CI, and what is dear is had once."""

from __future__ import annotations

import functools
import os
from pathlib import PurePosixPath

import botocore.session
import pytest
from hypothesis import settings

# A deadline for one example is a timed test; a busy machine would fail it.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Folders whose tests share one API server: one process runs them all, the server ends with the last.
TOGETHER = ("tests/controlplane", "tests/kubernetes", "tests/smoke")
# What takes longest, in that order: begun last, it would be waited for by processes that have nothing else to do.
FIRST = (
    "tests/cli/test_whole_life.py",
    "tests/deploy/test_life.py",
    "tests/lambdas/test_controllers_leave.py",
    "tests/deploy/test_operators.py",
    "tests/kubernetes",
    "tests/controlplane",
    "tests/image/test_bake.py",
    "tests/member/test_hands.py",
    "tests/addons/test_accepted.py",
    "tests/smoke",
    "tests/deploy/test_lookup.py",
    "tests/deploy/test_faults_of_aws.py",
    "tests/cli/test_terminal.py",
    "tests/member/test_real_trio.py",
    "tests/soak/test_short.py",
    "tests/template/test_examples.py",
    "tests/userdata/test_bootstrap_runs.py",
)

# Botocore reads AWS's models anew for each session: 100 ms for EC2's alone, and tests open hundreds.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def unit(nodeid: str) -> str:
    """Return what one process runs from beginning to end: a file, or a folder whose files share what is dear."""
    file = nodeid.split("::", 1)[0]
    folder = str(PurePosixPath(file).parent)
    return folder if folder in TOGETHER else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and keep units together."""
    place = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: place.get(unit(item.nodeid), len(place)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out whole units, in the order in which they were collected."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  only there when tests run side by side

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Units(config, log)
