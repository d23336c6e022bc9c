"""How work ends when a person presses Ctrl-C: said in one sentence, with the way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kubecfn.deploy.progress import Work
from kubecfn.errors import KubecfnError


class StoppedError(KubecfnError):
    """A person stopped us before anything was changed."""


class DetachedError(KubecfnError):
    """A person stopped watching; the stack goes on without us.

    Args:
        stack: its name.
        doing: what the stack is doing, as one clause.
        come_back: the command that picks it up again.
    """

    def __init__(self, stack: str, doing: str, come_back: str) -> None:
        super().__init__(
            f"No longer watching: the stack {stack} goes on without us ({doing}).",
            remedy=f"Come back with: {come_back}",
        )
        self.stack = stack


@contextmanager
def between_steps(work: Work) -> Iterator[None]:
    """Turn a Ctrl-C that meets no step of its own into one sentence; every step is whole or was not begun.

    Raises:
        StoppedError: Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise StoppedError(
            "Stopped between two steps; none is left half done.", remedy=f"Come back with: {work.come_back}"
        ) from interrupt
