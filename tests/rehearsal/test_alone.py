"""One rehearsal at a time: two on one machine would measure each other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.rehearsal.isolation import alone

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_rehearsal_says_so_and_waits_for_the_first(tmp_path: Path) -> None:
    """Whoever comes later is told why nothing happens, and goes on when the first has ended, however it ended."""
    said: list[str] = []
    told, entered = threading.Event(), threading.Event()

    def second() -> None:
        with alone(tmp_path / "runs", lambda line: said.append(line) or told.set()):
            entered.set()

    with alone(tmp_path / "runs", said.append):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert told.wait(5)
        assert not entered.is_set()
    waiting.join(5)

    assert entered.is_set()
    assert len(said) == 1
    assert "waits" in said[0]


def test_the_next_rehearsal_after_one_does_not_wait(tmp_path: Path) -> None:
    """A lock that outlived its run would stop everyone."""
    said: list[str] = []
    for _ in range(2):
        with alone(tmp_path / "runs", said.append):
            pass
    assert said == []
