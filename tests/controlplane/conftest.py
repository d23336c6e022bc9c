"""One real API server for all tests of this folder, and roots that stand for a controller's disk."""

from __future__ import annotations

import json
import sys

import pytest

from kubecfn.artifacts import data_root
from tests.kubernetes.clocks import Clock
from tests.kubernetes.server import running

for _role in ("common", "controller", "worker"):
    _library = str(data_root("userdata") / _role / "usr/local/lib/kubecfn")
    if _library not in sys.path:
        sys.path.insert(0, _library)


@pytest.fixture(scope="session")
def cluster():
    """A server of the newest minor."""
    with running() as server:
        yield server


@pytest.fixture
def clock():
    """A clock that a test sets."""
    return Clock()


@pytest.fixture
def lay(tmp_path):
    """Return what lays a bundle's manifests below a root of that name; each is a list of objects."""

    def laid(name, *manifests):
        folder = tmp_path / name / "usr/local/share/kubecfn/manifests"
        folder.mkdir(parents=True)
        for number, objects in enumerate(manifests):
            listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
            (folder / f"{number:02}-some.json").write_text(json.dumps(listed))
        return tmp_path / name

    return laid
