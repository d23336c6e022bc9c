"""The rules how a controller starts. Nothing here reads a clock, a disk or the network.

1. What could not be asked is never "there is none": it means wait. Unreachable is never terminated.
2. Data that is not stale is started on first. Stale: of an epoch older than the newest that acknowledged a write.
3. Nothing is wiped before a living cluster has answered.
4. Where a linearizable read succeeds, one joins; but is written into the cluster object before being added, so that
   whoever finds the cluster gone later knows everyone who may hold its data. Who is told to leave joins nothing any more.
5. While a voter of unknown standing answers without quorum, nobody founds or restores.
6. Nobody answers, no object: found, unless a snapshot says that there was a cluster; then stop.
7. A founder that died half-way goes on as it began. The others wait for it until EC2 calls it terminated.
8. Otherwise everyone in the object must be terminated or have said what data it holds.
9. If some hold data, and all of these say that quorum is gone for good, the one with the highest committed index
   survives (--force-new-cluster drops what is not committed, so the term says nothing); the lowest id of equals.
10. If nobody holds data, restore the newest verified snapshot; if there never was an established cluster, found.
    Established and no snapshot: stop.
11. A restore that a person ordered goes before all of this: whoever has older data stops etcd and sets it aside. Nobody
    restores while somebody let in has not said so and is not terminated, or while a voter still answers; a
    founder that is terminated is followed by another, with the same order.
FOUND, RESTORE and SURVIVE begin with a conditional write of the next epoch; only its winner goes on.
"""

from __future__ import annotations

from kubecfn.etcd.view import Boot, Decision, Epoch, Heard, Known, Machine, Start, Word


def start(boot: Boot) -> Decision:  # noqa: PLR0911  one rule, one sentence
    """Say how this controller starts. Ask again after every step and after every wait."""
    epoch = boot.epoch if boot.object is Known.PRESENT else None
    if epoch and _ordered(epoch) and 0 < boot.data < epoch.number:
        return Decision(
            Start.ASIDE, f"a person ordered a restore as epoch {epoch.number}; this is of epoch {boot.data}"
        )
    stale = boot.removed or (epoch is not None and boot.data < epoch.established)
    if boot.data and not stale and not boot.tried:
        return Decision(Start.RESUME, f"there is data of epoch {boot.data}")
    if boot.object is Known.NOT_ASKED or (boot.object is Known.PRESENT and epoch is None):
        return Decision(Start.WAIT, "the cluster object could not be read")
    if boot.heard is Heard.NOT_ASKED:
        return Decision(Start.WAIT, "could not find out whom to ask")
    if boot.heard is Heard.LINEARIZABLE:
        return _beside_the_living(boot, epoch, stale=stale)
    if epoch is None:
        return _without_object(boot)
    return _among_the_silent(boot, epoch)


def enlisted(epoch: Epoch, me: str) -> tuple[str, ...]:
    """Return the instances to write: all that EC2 does not call terminated, and this one."""
    alive = {word.instance for word in epoch.words if word.machine is not Machine.TERMINATED}
    return tuple(sorted(alive | {me}))


def _ordered(epoch: Epoch) -> bool:
    """A person ordered to make this epoch, and it is not made yet."""
    return epoch.ordered and epoch.established < epoch.number


def _beside_the_living(boot: Boot, epoch: Epoch | None, *, stale: bool) -> Decision:
    if boot.data and stale:
        return Decision(Start.WIPE, "a living cluster answers, and this data is no part of it")
    if boot.data:
        return Decision(Start.WAIT, "a living cluster answers; etcd here has still to find it")
    if boot.leaving:
        return Decision(Start.WAIT, "a living cluster answers, and this instance is told to leave")
    if epoch and epoch.established < epoch.number:
        return Decision(Start.WAIT, f"{epoch.founder} has not established epoch {epoch.number} yet")
    if epoch and boot.me in [word.instance for word in epoch.words]:
        return Decision(Start.JOIN, f"epoch {epoch.number} answers")
    return Decision(Start.ENLIST, "a living cluster answers, whose object does not name this instance yet")


def _without_object(boot: Boot) -> Decision:
    if boot.heard is Heard.NO_QUORUM:
        return Decision(Start.WAIT, "a voter answers without quorum")
    if boot.data:
        return Decision(Start.STOP, "there is data here but no cluster object: someone deleted it")
    if boot.snapshot is Known.NOT_ASKED:
        return Decision(Start.WAIT, "could not find out whether there are snapshots")
    if boot.snapshot is Known.PRESENT:
        return Decision(Start.STOP, "there are snapshots but no cluster object: someone deleted it; restore by name")
    return Decision(Start.FOUND, "nobody answers, and there never was a cluster")


def _among_the_silent(boot: Boot, epoch: Epoch) -> Decision:  # noqa: PLR0911  one rule, one sentence
    begun, ordered = epoch.established < epoch.number, _ordered(epoch)
    mine = begun and epoch.founder == boot.me
    if mine and (boot.data or epoch.way is not Start.SURVIVE) and (boot.data or not ordered):
        return _restore(boot, "this node began it") if epoch.way is Start.RESTORE else Decision(epoch.way, "begun here")
    for word in sorted(epoch.words, key=lambda word: word.instance):
        if word.machine is Machine.TERMINATED:
            continue
        if word.machine is Machine.UNKNOWN:
            return Decision(Start.WAIT, f"EC2 has not said what became of {word.instance}")
        if begun and word.instance == epoch.founder and not (mine and ordered):
            return Decision(Start.WAIT, f"{word.instance} is making epoch {epoch.number}")
        if word.index is None:
            return Decision(Start.WAIT, f"{word.instance} is not terminated and has not said what data it holds")
    holders = [word for word in epoch.words if _holds(word, epoch)]
    if ordered and holders:
        return Decision(Start.WAIT, f"{holders[0].instance} has not set its data aside")
    if holders:
        return _survivor(boot, holders)
    if boot.heard is Heard.NO_QUORUM:
        return Decision(Start.WAIT, "a voter answers without quorum")
    if ordered:
        return _restore(boot, "a person ordered it, and all older data is set aside")
    if epoch.established or boot.snapshot is not Known.ABSENT:
        return _restore(boot, f"nobody of epoch {epoch.number} holds its data any more")
    return Decision(Start.FOUND, f"epoch {epoch.number} died before it was established")


def _holds(word: Word, epoch: Epoch) -> bool:
    """A terminated instance holds nothing; data older than the newest established epoch is stale."""
    return word.machine is not Machine.TERMINATED and bool(word.index) and word.data >= epoch.established


def _survivor(boot: Boot, holders: list[Word]) -> Decision:
    hopeful = sorted(word.instance for word in holders if not word.lost)
    if hopeful:
        return Decision(Start.WAIT, f"by the member list of {hopeful[0]} quorum can still come back")
    best = min(holders, key=lambda word: (-(word.index or 0), word.instance))
    if best.instance != boot.me:
        return Decision(Start.WAIT, f"{best.instance} holds the most and takes over")
    return Decision(Start.SURVIVE, f"quorum is gone for good, and nobody left holds more than index {best.index}")


def _restore(boot: Boot, why: str) -> Decision:
    if boot.snapshot is Known.NOT_ASKED:
        return Decision(Start.WAIT, "could not find out whether there are snapshots")
    if boot.snapshot is Known.ABSENT:
        return Decision(Start.STOP, f"{why}, and there is no snapshot: never start empty where data was")
    return Decision(Start.RESTORE, why)
