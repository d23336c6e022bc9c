"""Three controllers whose certificates all are due at the same time, each looking by itself, and one real API server's lease."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from controlplane import renewal
from kubeadm import run

from kubecfn.kubernetes.client import Client, KubernetesError
from kubecfn.pki import KeyType, profiles
from kubecfn.pki.certificates import new_leaf

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kubecfn-renewal"
CONTROLLERS = ("i-0a", "i-0b", "i-0c")
DAY = 86400.0
# How long a lease is held that nobody prolongs, in seconds; twice what is waited for components.
HELD = 360.0


class Time:
    """One time for all three. It passes while somebody waits for components, and when a test says so."""

    def __init__(self, now):
        self.now = now

    def time(self):
        """Seconds since 1970."""
        return self.now

    monotonic = time

    def sleep(self, seconds):
        """Be later, and let the others look meanwhile."""
        self.now += seconds
        time.sleep(0.01)


class Looks:
    """The hour between two looks, which is over at once; counts them."""

    def __init__(self):
        self.done, self._over = 0, threading.Event()

    def wait(self, seconds):
        """Count one, and say whether it was the last."""
        assert seconds == renewal.EVERY
        self.done += 1
        return self._over.wait(0.002)

    def set(self):
        """Look no more."""
        self._over.set()


class Course:
    """What happened, one line each: ``begins i-0a`` and ``ends i-0a``."""

    def __init__(self, path):
        self.path = path
        path.touch()

    def lines(self):
        """Return it."""
        return [tuple(line.split()) for line in self.path.read_text().splitlines()]

    def add(self, what, who):
        """Add a line, as the played kubeadm does."""
        with self.path.open("a") as file:
            file.write(f"{what} {who}\n")

    def renewed(self):
        """Return whose renewals ended, each as often as it did, in their order."""
        return [who for what, who in self.lines() if what == "ends"]


class Components(renewal.Components):
    """Three that come back when they were looked for three times, or never; a controller may die as its first is ended."""

    def __init__(self, me, course, dies=None, *, stay_away=False):
        self._me, self._course, self._dies, self._stay_away = me, course, dies, stay_away
        self._there, self._ended, self._looks = dict(enumerate(renewal.PROGRAMS, start=100)), {}, 0

    def running(self):
        """Return what runs."""
        self._looks += bool(self._ended)
        if self._looks > 3 and not self._stay_away:
            self._there.update(self._ended)
            self._ended, self._looks = {}, 0
            self._course.add("ends", self._me)
        return dict(self._there)

    def end(self, process):
        """End it; the kubelet starts another."""
        if self._dies:
            self._dies()
        self._ended[process + 1000] = self._there.pop(process)


class PowerCutError(BaseException):
    """The machine is no more; nothing of it catches that."""


@pytest.fixture
def when():
    """A time at which a certificate of today is in its last quarter."""
    return Time(datetime.now(UTC).timestamp() + 280 * DAY)


@pytest.fixture
def course(tmp_path, cluster):
    """What happened, when nobody has the lease."""
    try:
        cluster.admin.delete(LEASE)
    except KubernetesError as error:
        assert error.status == 404
    return Course(tmp_path / "course")


@pytest.fixture
def controller(tmp_path, cluster, when, course):
    """Return what makes one with a root of its own, whose kubeadm takes a moment; it looks in a thread of its own."""
    made = []

    def lay(me):
        root = tmp_path / me
        issued = root / "etc/kubernetes/pki/apiserver.crt"
        for path in (issued, root / run.PROGRAM.lstrip("/")):
            path.parent.mkdir(parents=True)
        for path, at in ((issued, datetime.now(UTC)), (root / "next.crt", datetime.now(UTC) + timedelta(days=280))):
            path.write_bytes(new_leaf(profiles.ADMIN, cluster.authority, KeyType.P256, at).certificate.data)
        kubeadm = root / run.PROGRAM.lstrip("/")
        kubeadm.write_text(f"#!/bin/sh\necho begins {me} >> {course.path}\nsleep 0.05\ncp {root}/next.crt {issued}\n")
        kubeadm.chmod(0o755)
        return root

    def start(me, *, url="", dies=None, stay_away=False):
        client = Client(url or cluster.server, cluster.context("kubernetes-admin", "system:masters"))
        units = SimpleNamespace(stop=lambda _: None, start=lambda _: None)
        mine = renewal.Renewal(lay(me), client, me, units, Components(me, course, dies, stay_away=stay_away), when)
        looks, told = Looks(), []

        def live():
            try:
                renewal.look_after(mine, lambda _: None, told.append, looks)
            except PowerCutError:
                told.append("dead")

        one = SimpleNamespace(me=me, looks=looks, told=told, client=client, thread=threading.Thread(target=live))
        made.append(one)
        one.thread.start()
        return one

    yield start
    for one in made:
        one.looks.set()
    for one in made:
        one.thread.join(10)
        assert not one.thread.is_alive()
        one.client.close()


def until(true, seconds=20.0):
    """Wait until it is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def looked(*ones):
    """Wait until each of them has looked once more, from the beginning to the end."""
    before = [one.looks.done for one in ones]
    until(lambda: all(one.looks.done >= seen + 2 for one, seen in zip(ones, before, strict=True)))


def test_three_that_are_due_at_once_renew_one_after_another(controller, course):
    """Two at a time would be two of three API servers away; nobody is left out, and nobody renews twice."""
    three = [controller(me) for me in CONTROLLERS]

    until(lambda: len(course.renewed()) == 3)
    looked(*three)

    assert sorted(course.renewed()) == sorted(CONTROLLERS)
    pairs = list(zip(course.lines()[::2], course.lines()[1::2], strict=True))
    assert [(one, other) for (one, _), (other, _) in pairs] == [("begins", "ends")] * 3
    assert [one for (_, one), (_, other) in pairs if one != other] == [], "two renewed at the same time"
    assert [one.told for one in three] == [[], [], []]


def test_one_that_dies_in_the_middle_holds_the_others_up_for_its_lease_and_no_longer(controller, course, cable, when):
    """Its components may be back at any moment, so for that long nobody begins; then somebody does, without a person."""

    def dies():
        cable.cut()
        raise PowerCutError

    dead = controller("i-0a", url=cable.url, dies=dies)
    until(lambda: dead.told == ["dead"])
    at = when.now
    others = [controller(me) for me in CONTROLLERS[1:]]
    looked(*others)
    for _ in range(12):
        assert course.lines() == [("begins", "i-0a")], "somebody began while the lease was held"
        assert when.now < at + HELD + 1
        when.now += HELD / 12
        looked(*others)
    assert course.lines() == [("begins", "i-0a")]

    when.now += 1.0
    until(lambda: len(course.renewed()) == 2)

    first, second = course.renewed()
    assert {first, second} == set(CONTROLLERS[1:])
    assert course.lines()[1:] == [("begins", first), ("ends", first), ("begins", second), ("ends", second)]
    assert when.now < at + HELD + 30
    assert [one.told for one in others] == [[], []]


def test_one_whose_components_stay_away_keeps_the_others_waiting(controller, course, when):
    """What broke one may break the next: it does not hand its turn on at once, as one does whose components are back."""
    broken = controller("i-0a", stay_away=True)
    until(lambda: broken.told)
    others = [controller(me) for me in CONTROLLERS[1:]]
    looked(*others)
    assert course.lines() == [("begins", "i-0a")], "somebody began though the first is not whole"

    when.now += HELD + 1
    until(lambda: len(course.renewed()) == 2)

    assert set(course.renewed()) == set(CONTROLLERS[1:])
