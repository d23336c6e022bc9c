"""What happens to a controller before and while it is replaced; each returns when that has settled, and its docstring says how.

Each sees that it really happened, and returns in which of its ways: a fault that struck nobody would prove nothing.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from kubecfn.etcd import quorum
from kubecfn.etcd.look import Look
from kubecfn.etcd.view import Machine, Say
from tests.soak.trio import Flaw, Trio
from tests.support.real_etcd import EtcdMember

_PANIC = "failed to find local ID in cluster members"
_REMOVED = "the member has been permanently removed from the cluster"
Fault = Callable[[Trio, EtcdMember], str]
_SLOW_SYNCS = (0.05, 0.3, 1.2)  # seconds; etcd's election takes one


def happened(what: str, proof: object) -> None:
    """See that a fault struck.

    Raises:
        Flaw: it did not.
    """
    if not proof:
        raise Flaw(f"this fault did not happen: {what}")


def graceful(trio: Trio, old: EtcdMember) -> str:
    """The group adds one and tells the other to leave: a roll's step."""
    trio.launch()
    trio.machines[old.name] = Machine.LEAVING
    trio.settle()
    return ""


def killed(trio: Trio, old: EtcdMember) -> str:
    """SIGKILL and its data gone; EC2 says so a moment later, and the group launches another."""
    process = old.process
    old.kill()
    happened("SIGKILL", process and process.returncode == -signal.SIGKILL)
    time.sleep(trio.chance.uniform(0, 0.3))
    trio.end(old.name)
    trio.launch()
    trio.settle()
    return ""


def paused(trio: Trio, old: EtcdMember) -> str:
    """SIGSTOP until its replacement is there, or for a while; SIGCONT lets it go on with what it knows."""
    old.pause()
    happened("SIGSTOP", _stopped(old))
    trio.machines[old.name] = Machine.LEAVING
    trio.launch()
    return _comes_back(trio, old, old.resume)


def _stopped(member: EtcdMember) -> bool:
    assert member.process
    said = Path(f"/proc/{member.process.pid}/stat").read_text()  # proc_pid_stat(5): PID (NAME) STATE …
    return said.rpartition(")")[2].split()[0] == "T"


def cut(trio: Trio, old: EtcdMember) -> str:
    """A network of proxies lets nothing pass to, from and at one; what was on its way arrives when that is healed."""
    if trio.network is None:
        raise Flaw("this trio has no network to cut")
    network = trio.network
    before = network.held[old.name]
    network.cut(old.name)
    trio.machines[old.name] = Machine.LEAVING
    trio.launch()
    how = _comes_back(trio, old, lambda: network.heal(old.name))
    happened("nothing passed to or from one", network.held[old.name] > before)
    return how


def _comes_back(trio: Trio, old: EtcdMember, back: Callable[[], None]) -> str:
    """Let one come back in the middle, or only when it has been removed: then its etcd has to see that and end."""
    since, after = time.monotonic(), trio.chance.choice([0.4, 0.9, 1e9])
    done: list[bool] = []
    trio.retired.add(old.name)

    def meanwhile(_: Look) -> None:
        if not done and time.monotonic() - since > after:
            done.append(True)
            back()

    trio.settle(meanwhile=meanwhile)
    how = "back in the middle" if done else "back when removed"
    if not done:
        back()
    _serves_nobody(trio, old)
    trio.retired.discard(old.name)
    trio.end(old.name)
    return how


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


def slow_disk(trio: Trio, old: EtcdMember) -> str:
    """Each fsync and fdatasync of one takes 50 ms, 300 ms or 1.2 s, from before it is told to leave until it has left."""
    if trio.disks is None:
        raise Flaw("this trio does not wait for its disk")
    took = trio.chance.choice(_SLOW_SYNCS)
    trio.disks.slow(old.name, took)
    trio.launch()
    time.sleep(trio.chance.uniform(0, 0.8))
    trio.machines[old.name] = Machine.LEAVING
    trio.settle()
    happened("slow syncs", trio.disks.held[old.name])
    return f"{1000 * took:.0f} ms a sync"


def skewed(trio: Trio, old: EtcdMember) -> str:
    """Its replacement dates its certificates by a clock ten minutes ahead or behind, back by an hour as nodes do."""
    minutes = trio.chance.choice([-10, 10])
    new = trio.launch(timedelta(minutes=minutes))
    shown = x509.load_pem_x509_certificate((trio.cluster.trust.folder / f"{new.address}.crt").read_bytes())
    off = (shown.not_valid_before_utc - datetime.now(UTC) + timedelta(hours=1)).total_seconds() / 60
    happened(f"a clock {minutes} minutes off", abs(off - minutes) < 1)
    trio.machines[old.name] = Machine.LEAVING
    trio.settle()
    return "ahead" if minutes > 0 else "behind"


def joiner_dies(trio: Trio, old: EtcdMember) -> str:
    """SIGKILL for the replacement, somewhere between its entry and its first moments as a voter; another follows it."""
    joiner = trio.launch()
    trio.machines[old.name] = Machine.LEAVING
    if trio.chance.random() < 0.3:
        trio.doomed = joiner.name
        trio.settle()
        happened("the death of who was to start", trio.machines[joiner.name] is Machine.TERMINATED)
        return "not started"
    wait, seen_at, how = trio.chance.uniform(0, 0.6), list[float](), list[str]()

    def meanwhile(seen: Look) -> None:
        mine = next((one for one in seen.cluster.members if one.instance == joiner.name), None)
        if mine and not seen_at:
            seen_at.append(time.monotonic())
        late = time.monotonic() - seen_at[0] >= wait if seen_at else False
        if mine and not how and (late or quorum.settled(seen.cluster).say is Say.YES):
            how.append("a voter" if not mine.learner else "a learner")
            trio.end(joiner.name)
            trio.launch()

    trio.settle(meanwhile=meanwhile)
    happened("the death of who joins", how)
    return how[0]


FAULTS: dict[str, Fault] = {
    "graceful": graceful,
    "kill -9": killed,
    "pause and resume": paused,
    "network cut": cut,
    "slow disk": slow_disk,
    "clock skew": skewed,
    "joiner dies": joiner_dies,
}
