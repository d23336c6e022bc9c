"""How a joiner that was just started comes to be ready; it is started once more when its first word was lost.

To be ready, etcd has its name written by the leader. A joiner asks for that at once; then it takes in the leader's store
and makes its connections anew, and a question just on its way is lost. It asks again only after 5 s and two elections,
and serves no client until then (measured with 3.5.35 and 3.6.16: half of all joiners). Started on the store that it has
taken in, it asks anew, and nothing is in its way.
"""

from __future__ import annotations

import time
from typing import Callable, Optional

from kubecfn.etcd.journal import say

# As long as etcd's own patience would be; a large store that takes longer to come in is not waited for.
PATIENCE = 7.0
# From having the store to being ready it takes milliseconds; on a busy machine some tenths.
LOST = 0.4
POLL = 0.05


def await_ready(
    *,
    ready: Callable[[], bool],
    ended: Callable[[], bool],
    applied: Callable[[], int],
    again: Callable[[], None],
    wait: Callable[[float], bool],
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Return when a joiner is ready, has ended, or has had its time: whoever asks goes on looking in any case.

    Args:
        ready: whether it has said that it is.
        ended: whether it does not run any more.
        applied: the last index that it took in from the leader; 0 for none.
        again: stops it and starts it on what it has.
        wait: waits so many seconds; true when the agent has to end.
        monotonic: seconds that never jump.
    """
    end = monotonic() + PATIENCE
    since: Optional[float] = None
    while monotonic() < end and not ended() and not ready():
        if since is None and applied():
            since = monotonic()
        if since is not None and monotonic() - since >= LOST:
            say("again", "etcd took in the leader's store, and its own name was lost on the way: it starts once more")
            again()
            return
        if wait(POLL):
            return
