"""One real API server for all tests of this folder; each leaves it empty."""

from __future__ import annotations

import contextlib

import pytest

from kubecfn.kubernetes.client import KubernetesError
from tests.kubernetes.server import running
from tests.smoke.machines import Proxied, empty


@pytest.fixture(scope="package")
def server():
    """The server; kube-system has its default service account."""
    with running() as made:
        with contextlib.suppress(KubernetesError):
            made.admin.create("/api/v1/namespaces/kube-system/serviceaccounts", {"metadata": {"name": "default"}})
        yield made


@pytest.fixture
def client(server):
    """An administrator of an empty cluster."""
    made = Proxied(server.server, server.context("kubernetes-admin", "system:masters"))
    yield made
    empty(made)
    made.close()
