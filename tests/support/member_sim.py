"""A time of its own for programs that wait: threads that run one at a time, each woken at its moment, by seed."""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


class Killed(BaseException):
    """The program was killed here: nothing after this line happens."""


@dataclass
class Program:
    """One program: a thread that runs only while it holds the baton."""

    name: str
    act: Callable[[], object]
    baton: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    thread: threading.Thread | None = None
    killed: bool = False
    ended: bool = False
    error: BaseException | None = None
    calls: int = 0
    kill_at: int | None = None


class Sim:
    """Runs programs against one clock; the order of what happens at the same moment is drawn by the seed."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self._queue: list[tuple[float, float, int, Program]] = []
        self._count = 0
        self._back = threading.Semaphore(0)
        self._local = threading.local()
        self.programs: list[Program] = []

    @property
    def running(self) -> Program | None:
        """The program whose thread this is."""
        return getattr(self._local, "program", None)

    def start(self, name: str, act: Callable[[], object], after: float = 0.0) -> Program:
        """Let a program begin."""
        program = Program(name, act)
        program.thread = threading.Thread(target=self._thread, args=(program,), daemon=True)
        program.thread.start()
        self.programs.append(program)
        self._put(program, after)
        return program

    def kill(self, program: Program) -> None:
        """Kill a program: at its next wait it finds out."""
        program.killed = True
        if program is not self.running and not program.ended:
            self._queue = [entry for entry in self._queue if entry[3] is not program]
            heapq.heapify(self._queue)
            self._put(program, 0.0)

    def wait(self, seconds: float) -> None:
        """Let others run; come back after so many seconds of this world's time."""
        program = self.running
        if program is None:
            return
        self._put(program, seconds)
        self._back.release()
        program.baton.acquire()
        if program.killed:
            raise Killed

    def point(self) -> None:
        """A moment at which a program can be killed."""
        program = self.running
        if program is None:
            return
        program.calls += 1
        if program.killed or program.kill_at == program.calls:
            program.killed = True
            raise Killed

    def run(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Let time pass; stop early when `until` is so, and say whether it was."""
        end = self.now + seconds
        while True:
            if until():
                return True
            if not self._queue or self._queue[0][0] > end:
                self.now = end
                return bool(until())
            at, _, _, program = heapq.heappop(self._queue)
            self.now = max(self.now, at)
            program.baton.release()
            self._back.acquire()
            if program.error:
                raise program.error

    def close(self) -> None:
        """End every program."""
        for program in self.programs:
            if not program.ended:
                program.killed = True
                program.baton.release()
                self._back.acquire()

    def _put(self, program: Program, after: float) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + after, self.random.random(), self._count, program))

    def _thread(self, program: Program) -> None:
        self._local.program = program
        program.baton.acquire()
        try:
            if not program.killed:
                program.act()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  the test that runs the world raises it
            program.error = error
        program.ended = True
        self._back.release()
