"""A power cut before every single touch of the disk: whatever was begun comes to the same end when it is done again.

The children of this test are killed by themselves, at the n-th event that Python's own auditing shows; etcd and etcdutl
are played by a few lines, so that hundreds of cuts cost seconds.
"""

import json
import os
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from agent.units import State
from controller_root import DOMAIN
from member import hands, settings

TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "subprocess.Popen", "os.chmod"}
CUT = 9
ETCDUTL = """#!/bin/sh
[ "$2" = status ] && echo '{"hash": 1, "revision": 7}' && exit 0
for one; do case $one in --data-dir=*) to=${one#*=};; --bump-revision=*) bump=${one#*=};; esac; done
[ -e "$to" ] && exit 1
mkdir -p $to/member/wal $to/member/snap && echo "of the snapshot, bumped by $bump" > $to/member/snap/db && touch $to/member/wal/0.wal
"""


class Etcd:
    """etcd's unit, played: it makes data where there is none, as its configuration says, and never twice."""

    def __init__(self, root, *, slow=False):
        self.root = root
        self.runs = False
        self.slow = slow
        self.calls = []

    def start(self, _unit):
        """Read the configuration, make the data, or go on with it."""
        self.calls.append("start")
        if self.slow:
            (self.root / settings.DATA / "member/snap").mkdir(parents=True)
            self.runs = True
            return
        lines = (self.root / settings.FILE).read_text().splitlines()[1:]
        told = {name: json.loads(value) for name, value in (line.split(": ", 1) for line in lines)}
        data = self.root / settings.DATA / "member"
        if not (data / "wal/0.wal").exists():
            (data / "snap").mkdir(parents=True)
            (data / "snap/db").write_text(f"{told['initial-cluster-state']} {told.get('initial-cluster-token', '')}")
            (data / "wal").mkdir()
            (data / "wal/0.wal").touch()
        if told.get("force-new-cluster"):
            (data / "snap/db").write_text("alone")
        self.runs = True

    def stop(self, _unit, *, hard=False):
        """End."""
        self.calls.append("stop")
        self.runs = False

    def state(self, _unit):
        """Say whether it runs."""
        return State("active" if self.runs else "inactive", "success", 0)

    def log(self, _unit, _lines):
        """It wrote nothing."""
        return ()

    def close(self):
        """End."""


@dataclass(frozen=True)
class Serving:
    """The client of a member that serves alone."""

    peer_url: str
    timeout: float = 3.0

    def linearizable(self):
        """Read."""

    def status(self):
        """Answer."""

    def members(self):
        """List itself."""
        return (SimpleNamespace(peer_urls=(self.peer_url,)),)


class Controller:
    """A disk, and an agent that is made anew after each cut."""

    def __init__(self, root):
        self.root = root
        (root / "usr/local/bin").mkdir(parents=True)
        (root / "usr/local/bin/etcdutl").write_text(ETCDUTL)
        (root / "usr/local/bin/etcdutl").chmod(0o755)
        (root / "snapshot.db").write_bytes(b"x")

    def agent(self, unit=None):
        """Return the hands of an agent that has only just started."""
        me = settings.Me("i-0000000a", "127.0.0.9", DOMAIN, "3.6.16")
        return hands.EtcdHands(
            self.root, me, unit or Etcd(self.root), lambda _address: Serving(me.peer_url), written=0.0
        )

    def seen(self):
        """Return all that lies there and is not ours to make anew."""
        files = {
            str(file.relative_to(self.root)): file.read_text(errors="replace")
            for top in ("etc", "var")
            for file in (self.root / top).rglob("*")
            if file.is_file()
        }
        return self.agent().data_epoch(), files


def have(controller):
    """Lay data of epoch 1."""
    controller.agent().found(1, "one")


WAYS = {
    "found": (lambda _: None, lambda hands, _: hands.found(1, "one")),
    "join": (lambda _: None, lambda hands, _: hands.join(1, "i-0000000b=https://127.0.0.8:2380")),
    "restore": (lambda _: None, lambda hands, root: hands.restore(1, "one", root / "snapshot.db")),
    "resume": (have, lambda hands, _: hands.resume()),
    "survive": (have, lambda hands, _: hands.survive(2)),
    "wipe": (have, lambda hands, _: hands.wipe()),
    "aside": (have, lambda hands, _: hands.aside()),
}


def cut_at(controller, way, number):
    """Do it in a child whose power is cut before its n-th touch of the disk; say whether it came that far."""
    child = os.fork()
    if child == 0:
        left = [number]

        def hook(event, _arguments):
            if event in TOUCHES:
                left[0] -= 1
                if left[0] == 0:
                    os._exit(CUT)

        try:
            hands_of_child = controller.agent()
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  the child ends with it
            sys.addaudithook(hook)
            way(hands_of_child, controller.root)
        except BaseException:  # noqa: BLE001  a forked test must never go on as a second pytest
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, CUT}
    return status == CUT


# The child runs a few lines and ends without any clean-up: other threads' locks are no matter to it.
forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@forks
@pytest.mark.parametrize("name", WAYS)
def test_a_power_cut_anywhere_comes_to_the_same_end(tmp_path, name, capsys):
    """Neither data of no known epoch, nor a half-made disk, nor a second beginning: it goes on from where it was cut."""
    before, way = WAYS[name]
    whole = Controller(tmp_path / "whole")
    before(whole)
    way(whole.agent(), whole.root)
    wanted = whole.seen()

    for number in range(1, 200):
        there = Controller(tmp_path / f"cut-{number}")
        before(there)
        if not cut_at(there, way, number):
            break
        way(there.agent(), there.root)
        seen = there.seen()
        assert (number, seen[0]) == (number, wanted[0])
        assert (number, set(seen[1])) == (number, set(wanted[1]))
        assert (number, seen[1]) == (
            number,
            {path: text.replace("whole", f"cut-{number}") for path, text in wanted[1].items()},
        )
    assert 2 < number < 199


@forks
def test_every_way_touches_the_disk_in_several_steps(tmp_path):
    """The cuts above are real: in between, what lies there is neither as it was nor as it will be."""
    there = Controller(tmp_path)
    have(there)
    states = set()
    for number in range(1, 60):
        if not cut_at(there, WAYS["wipe"][1], number):
            break
        states.add(tuple(sorted(str(path) for path in tmp_path.rglob("*"))))
    assert len(states) > 3


def test_an_etcd_that_is_making_its_data_is_left_alone(tmp_path):
    """It has no log yet, so there is no data; but what lies there is its own, and to clear it away would ruin it."""
    there = Controller(tmp_path)
    etcd = Etcd(tmp_path, slow=True)
    agent = there.agent(etcd)
    agent.join(1, "i-0000000b=https://127.0.0.8:2380")
    del etcd.calls[:]

    agent.join(1, "i-0000000b=https://127.0.0.8:2380")
    assert etcd.calls == []
    assert (tmp_path / settings.DATA / "member/snap").exists()

    # Told something else, it is stopped before its files are taken away.
    agent.join(1, "i-0000000c=https://127.0.0.7:2380")
    assert etcd.calls == ["stop", "start"]


def test_who_survives_twice_saves_twice(tmp_path):
    """What was saved years ago is not what goes on now."""
    there = Controller(tmp_path)
    have(there)
    # Of an attempt that came to nothing, long ago.
    (tmp_path / hands.SAVED).mkdir(parents=True)
    (tmp_path / hands.SAVED / "survivor-of-1.db").write_bytes(b"stale")
    there.agent().survive(2)
    (tmp_path / settings.DATA / "member/snap/db").write_text("much later")

    there.agent().survive(3)

    saved = {file.name: file.read_bytes()[:10] for file in (tmp_path / hands.SAVED).iterdir()}
    assert saved == {"survivor-of-1.db": b"new one" + saved["survivor-of-1.db"][7:], "survivor-of-2.db": b"much later"}


def test_a_learner_that_asks_to_vote_is_known_as_one_after_any_restart(tmp_path):
    """The marker says so before the promotion can be: what a member says of itself may lag behind by a crash."""
    there = Controller(tmp_path)
    there.agent().join(1, "i-0000000a=https://127.0.0.9:2380,i-0000000b=https://127.0.0.8:2380")
    assert not there.agent().may_vote()

    there.agent().ask_to_vote()

    assert there.agent().may_vote()
    assert there.agent().data_epoch() == 1


def test_whoever_founded_votes(tmp_path):
    """A cluster of one has no learner."""
    there = Controller(tmp_path)
    there.agent().found(1, "epoch-1")

    assert there.agent().may_vote()
