"""One real API server for the tests of rights, of the newest minor that is built."""

from __future__ import annotations

import pytest

from kubecfn.config import load_text
from tests.kubernetes.server import running


@pytest.fixture(scope="module")
def cluster():
    with running() as server:
        yield server


@pytest.fixture
def configured():
    """Return a configuration with these lines beside the least that a cluster needs."""

    def from_lines(lines: str):
        return load_text(f"name: payments\nregion: eu-central-1\ndns: {{private: true, domain: k.internal}}\n{lines}\n")

    return from_lines
