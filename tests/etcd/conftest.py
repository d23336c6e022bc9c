"""Three real members per etcd release, shared by every test of a run; each test gets them as three healthy voters."""

from __future__ import annotations

import pytest
from real_etcd import VERSIONS, EtcdCluster


@pytest.fixture(scope="session", params=VERSIONS)
def members(request, tmp_path_factory):
    """The cluster, whatever the test before left of it."""
    folder = tmp_path_factory.mktemp(f"etcd-{request.param}")
    with EtcdCluster(folder, version=request.param) as cluster:
        cluster.found("i-a", "i-b", "i-c")
        yield cluster


@pytest.fixture
def trio(members):
    """Three voters, i-a, i-b and i-c, all healthy; what else a test adds is taken away after it."""
    yield members
    hung = [member for member in members if member.paused]
    for member in hung:
        member.resume()
    for member in hung:
        members.serves(member.name)
    through = members["i-a"].client(5)
    for one in through.members():
        if one.name not in {"i-a", "i-b", "i-c"}:
            through.remove(one.id)
    for name in set(members.members) - {"i-a", "i-b", "i-c"}:
        members.members.pop(name).kill()
