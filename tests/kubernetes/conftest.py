"""One real API server of the newest minor for all tests of this folder, and one of each older minor for a few."""

from __future__ import annotations

import itertools

import pytest

from tests.kubernetes.clocks import Clock
from tests.kubernetes.server import minors, running

_NUMBER = itertools.count(1)


@pytest.fixture(scope="package")
def cluster():
    """The newest server; each test uses namespaces and names of its own."""
    with running() as server:
        yield server


@pytest.fixture(scope="package", params=minors()[1:])
def older(request):
    """A server of an older minor."""
    with running(request.param) as server:
        yield server


@pytest.fixture
def space(cluster):
    """The name of a namespace that is this test's own."""
    name = f"test-{next(_NUMBER)}"
    cluster.admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
def clock():
    """A clock that a test sets."""
    return Clock()
