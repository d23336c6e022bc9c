"""One real API server of each Kubernetes minor that is built, for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.kubernetes.server import minors, running


@pytest.fixture(scope="module", params=minors())
def server(request):
    """The server; it runs nothing else: objects stay as they were written."""
    with running(request.param) as one:
        yield one
