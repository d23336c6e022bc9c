"""What happens to a controller before and while it is replaced; each returns when that has settled, and its docstring says how."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from kubecfn.etcd.look import Look
from kubecfn.etcd.view import Machine
from tests.soak.trio import Flaw, Trio
from tests.support.real_etcd import EtcdMember

_PANIC = "failed to find local ID in cluster members"
_REMOVED = "the member has been permanently removed from the cluster"
Fault = Callable[[Trio, EtcdMember], None]


def graceful(trio: Trio, old: EtcdMember) -> None:
    """The group adds one and tells the other to leave: a roll's step."""
    trio.launch()
    trio.machines[old.name] = Machine.LEAVING
    trio.settle()


def killed(trio: Trio, old: EtcdMember) -> None:
    """SIGKILL and its data gone; EC2 says so a moment later, and the group launches another."""
    old.kill()
    time.sleep(trio.chance.uniform(0, 0.3))
    trio.end(old.name)
    trio.launch()
    trio.settle()


def paused(trio: Trio, old: EtcdMember) -> None:
    """SIGSTOP until its replacement is there, or for a while; SIGCONT lets it go on with what it knows."""
    old.pause()
    trio.machines[old.name] = Machine.LEAVING
    trio.launch()
    _comes_back(trio, old, old.resume)


def cut(trio: Trio, old: EtcdMember) -> None:
    """A network of proxies lets nothing pass to, from and at one; what was on its way arrives when that is healed."""
    if trio.network is None:
        raise Flaw("this trio has no network to cut")
    trio.network.cut(old.name)
    trio.machines[old.name] = Machine.LEAVING
    trio.launch()
    network = trio.network
    _comes_back(trio, old, lambda: network.heal(old.name))


def _comes_back(trio: Trio, old: EtcdMember, back: Callable[[], None]) -> None:
    """Let one come back in the middle, or only when it has been removed: then its etcd has to see that and end."""
    since, after = time.monotonic(), trio.chance.choice([0.4, 0.9, 1e9])
    done: list[bool] = []
    trio.retired.add(old.name)

    def meanwhile(_: Look) -> None:
        if not done and time.monotonic() - since > after:
            done.append(True)
            back()

    trio.settle(meanwhile=meanwhile)
    if not done:
        back()
    _serves_nobody(trio, old)
    trio.retired.discard(old.name)
    trio.end(old.name)


def _serves_nobody(trio: Trio, old: EtcdMember) -> None:
    """See that a removed member ends by itself, with 0; one that panicked ends again when it is started again.

    etcd 3.6 panics when it is asked for its status in the moment in which it learns that it was removed
    (server/etcdserver/api/membership/cluster.go, IsLocalMemberLearner).
    """
    if _ended(old) == 0:
        return
    if _PANIC not in old.log:
        raise Flaw(f"{old.name} was removed and its etcd did not end with 0: {_last_words(old.log)}")
    trio.panics += 1
    before = len(old.log)
    old.start(state="existing", more=trio.flags(old))
    _ended(old)
    if _REMOVED not in old.log[before:]:
        raise Flaw(f"{old.name} was removed, was started again and does not say so: {_last_words(old.log)}")


def _ended(old: EtcdMember) -> int:
    assert old.process
    try:
        return old.process.wait(30)
    except subprocess.TimeoutExpired:
        raise Flaw(f"{old.name} was removed and its etcd goes on") from None


def _last_words(log: str) -> str:
    """Return what a member that panicked said, else its last line."""
    panic = log.rfind("panic:")
    return log[panic:][:1500] if panic >= 0 else log.strip().rpartition("\n")[2]


def slow_disk(trio: Trio, old: EtcdMember) -> None:
    """It runs 40 of every 160 ms (SIGSTOP, SIGCONT) while 4 MiB are written and synced over and over on all members' disk."""
    stopped = threading.Event()
    busy = [
        threading.Thread(target=_bursts, args=(old, stopped), daemon=True),
        threading.Thread(target=_storm, args=(trio, stopped), daemon=True),
    ]
    for thread in busy:
        thread.start()
    try:
        trio.launch()
        trio.machines[old.name] = Machine.LEAVING
        time.sleep(0.8)
    finally:
        stopped.set()
        for thread in busy:
            thread.join()
    trio.settle()


def _bursts(member: EtcdMember, stopped: threading.Event) -> None:
    process = member.process
    while process and not stopped.is_set():
        member.pause()
        stopped.wait(0.12)
        member.resume()
        stopped.wait(0.04)


def _storm(trio: Trio, stopped: threading.Event) -> None:
    path = trio.cluster.folder / "storm"
    with path.open("wb") as file:
        while not stopped.wait(0.02):
            file.seek(0)
            file.write(os.urandom(1 << 20) * 4)
            file.flush()
            os.fsync(file.fileno())
    with suppress(OSError):
        path.unlink()


def skewed(trio: Trio, old: EtcdMember) -> None:
    """Its replacement dates its certificates by a clock ten minutes ahead or behind, back by an hour as nodes do."""
    trio.launch(timedelta(minutes=trio.chance.choice([-10, 10])))
    trio.machines[old.name] = Machine.LEAVING
    trio.settle()


def joiner_dies(trio: Trio, old: EtcdMember) -> None:
    """SIGKILL for the replacement, somewhere between its entry and its vote; what it left is collected for the next."""
    joiner = trio.launch()
    trio.machines[old.name] = Machine.LEAVING
    state = {"killed": False, "seen": 0.0, "wait": trio.chance.uniform(0, 0.3)}

    def meanwhile(seen: Look) -> None:
        mine = [one for one in seen.cluster.members if one.instance == joiner.name]
        if mine and not state["seen"]:
            state["seen"] = time.monotonic()
        if not state["killed"] and state["seen"] and time.monotonic() - float(state["seen"]) >= float(state["wait"]):
            state["killed"] = True
            trio.end(joiner.name)
            trio.launch()

    trio.settle(meanwhile=meanwhile)


FAULTS: dict[str, Fault] = {
    "graceful": graceful,
    "kill -9": killed,
    "pause and resume": paused,
    "network cut": cut,
    "slow disk": slow_disk,
    "clock skew": skewed,
    "joiner dies": joiner_dies,
}
