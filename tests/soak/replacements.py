"""One life of a trio: so many replacements drawn from a seed, and everything acknowledged read back at its end."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from kubecfn.rehearsal.writer import Checked, Writer
from tests.soak.checker import Verdict, check
from tests.soak.clients import Clients
from tests.soak.faults import FAULTS
from tests.soak.trio import Flaw, Kind, Trio


@dataclass(frozen=True)
class Replacement:
    """One replacement: what happened and in which way, for how long, and the longest write stall of it, seconds."""

    fault: str
    how: str
    leader: bool
    seconds: float
    stall: float


@dataclass(frozen=True)
class Life:
    """What one seed's life came to."""

    seed: int
    kind: Kind
    replacements: tuple[Replacement, ...] = ()
    acknowledged: int = 0
    indefinite: int = 0
    lost: int = 0
    operations: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    panics: int = 0
    restarts: int = 0
    flaws: tuple[str, ...] = ()


def kind_of(seed: int) -> Kind:
    """Return what a seed's trio is like: every fourth is strict, every third can be cut, every second waits for its disk."""
    return Kind(strict=seed % 4 == 0, cuttable=seed % 3 == 0, waits=seed % 2 == 0)


def drawn(chance: random.Random, kind: Kind) -> str:
    """Return what happens next; what only some trios can suffer comes there more often, so that all come alike."""
    often = {**dict.fromkeys(FAULTS, 1), "network cut": 3 * kind.cuttable, "slow disk": 2 * kind.waits}
    return chance.choices(list(often), list(often.values()))[0]


def live(seed: int, count: int, until: float = float("inf"), faults: Sequence[str] = ()) -> Life:
    """Live one life.

    Args:
        seed: of faults, victims, moments and clients.
        count: replacements.
        until: seconds since 1970 after which no further one begins.
        faults: the first ones; the others are drawn.
    """
    kind = kind_of(seed)
    root = Path(tempfile.mkdtemp(prefix=f"soak-{seed}-"))
    chance = random.Random(seed)
    done: list[Replacement] = []
    flaws: list[str] = []
    writer, clients, fault = None, None, "founding"
    try:
        with ExitStack() as ends:
            trio = ends.enter_context(Trio(root / "etcd", chance, kind))
            # Writer and clients end before the members do, so that the end costs nobody an answer.
            writer = Writer(trio.addresses, trio.connect, time.monotonic, pause=0.04)
            clients = Clients(trio.addresses, trio.connect, seed)
            try:
                with clients, writer:
                    for number in range(count):
                        if time.time() > until:
                            break
                        clients.round = number
                        fault = [*faults, *[""] * count][number] or drawn(chance, kind)
                        done.append(_replaced(trio, writer, fault))
                flaws += _apart(trio)
            except Flaw as flaw:
                flaws.append(f"{fault}, replacement {len(done) + 1}: {flaw}")
            flaws += clients.failures
            checked = writer.check()
            flaws += [_read_back(checked)] if _read_back(checked) else []
        verdicts = check(clients.history.lines())
        flaws += [_told(verdict) for verdict in verdicts if verdict.verdict != "ok"]
    except Exception as error:  # noqa: BLE001  whatever it was, the seed is told
        return Life(seed, kind, tuple(done), flaws=(*flaws, f"{type(error).__name__}: {error}"))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    numbers = writer.numbers()
    return Life(
        seed,
        kind,
        tuple(done),
        checked.acknowledged,
        numbers.indefinite,
        len(checked.lost),
        len(clients.history.operations),
        {word: sum(one.verdict == word for one in verdicts) for word in ("ok", "illegal", "unknown")},
        trio.panics,
        trio.restarts,
        tuple(flaws),
    )


def _replaced(trio: Trio, writer: Writer, fault: str) -> Replacement:
    leader = trio.chance.random() < 0.5
    old = trio.voter(leader=leader)
    begun = time.monotonic()
    how = FAULTS[fault](trio, old)
    ended = time.monotonic()
    stall = writer.stall(begun, ended)
    return Replacement(fault, how, leader, ended - begun, stall.seconds if stall else ended - begun)


def _apart(trio: Trio) -> list[str]:
    """Return how copies differ, of a life that came to its end: who is not settled may rightly be silent."""
    try:
        differ = trio.copies_differ()
    except Flaw as flaw:
        return [str(flaw)]
    return [differ] if differ else []


def _read_back(checked: Checked) -> str:
    if checked.lost:
        return f"{len(checked.lost)} acknowledged writes are lost, the first is number {checked.lost[0].number}"
    return f"nobody made {checked.unexplained[:3]}" if checked.unexplained else ""


def _told(verdict: Verdict) -> str:
    return f"the history of {verdict.key} is {verdict.verdict}: {verdict.unplaced[:2]} fit nowhere"
