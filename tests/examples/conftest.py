"""One real API server of each minor that is built, for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.kubernetes.server import minors, running


@pytest.fixture(scope="module", params=minors())
def cluster(request):
    with running(request.param) as server:
        yield server
