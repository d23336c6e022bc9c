"""The order in which resources of one operation are worked on, given what each needs.

Quick resources go one after the other in the calling thread, so that histories are repeatable; those that wait (groups, wait
conditions) go beside them, as all resources do on AWS (User Guide: "Understand CloudFormation stack creation events").
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kubecfn.local.cloudformation.refusals import OperationFailedError

_log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """How a run ended: names in the order in which they ended."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def run(
    graph: Mapping[str, frozenset[str]],
    act: Callable[[str], None],
    *,
    aside: Callable[[str], bool],
    stop: Callable[[], bool] = lambda: False,
    on_failure: Callable[[], None] = lambda: None,
) -> Outcome:
    """Call `act` for every name once all that it needs are done.

    Args:
        graph: name -> names that must be done before; names outside the graph count as done.
        act: raises OperationFailedError when the name failed; what needs it then never starts.
        aside: whether a name may take long and gets a thread of its own.
        stop: asked before each start; when true nothing more is started.
        on_failure: called after a failure while others are still running.
    """
    outcome, waiting, running = Outcome(), dict(graph), set[str]()
    ended: queue.Queue[tuple[str, bool]] = queue.Queue()

    def settle(name: str, *, good: bool) -> None:
        (outcome.done if good else outcome.failed).append(name)
        if not good:
            on_failure()

    while True:
        ready = [] if stop() else _ready(waiting, outcome.done, graph)
        for name in (name for name in ready if aside(name)):
            del waiting[name]
            running.add(name)
            threading.Thread(
                target=lambda name=name: ended.put((name, _good(act, name))), name=name, daemon=True
            ).start()
        if quick := next((name for name in ready if name in waiting), None):
            del waiting[quick]
            settle(quick, good=_good(act, quick))
        elif running:
            name, good = ended.get()
            running.discard(name)
            settle(name, good=good)
        else:
            return outcome
        while not ended.empty():
            name, good = ended.get()
            running.discard(name)
            settle(name, good=good)


def _ready(waiting: Mapping[str, frozenset[str]], done: list[str], graph: Mapping[str, frozenset[str]]) -> list[str]:
    return [name for name, wanted in waiting.items() if all(other in done or other not in graph for other in wanted)]


def _good(act: Callable[[str], None], name: str) -> bool:
    try:
        act(name)
    except OperationFailedError:
        return False
    except Exception:  # noqa: BLE001  in a thread of its own a lost exception would be an operation that never ends
        _log.exception("%s broke inside the emulation", name)
        return False
    return True
