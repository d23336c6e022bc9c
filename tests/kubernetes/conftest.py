"""One real API server for all tests of this folder and run, of each minor that is built."""

from __future__ import annotations

import pytest

from tests.kubernetes.server import minors, running


@pytest.fixture(scope="session", params=minors())
def cluster(request):
    """The server; each test uses namespaces and names of its own."""
    with running(request.param) as server:
        yield server
