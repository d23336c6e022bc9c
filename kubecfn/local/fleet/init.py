"""The first process of an instance: runs the user data, adopts what it leaves behind, and ends all of it when told.

Run as ``python -I -S init.py GRACE SCRIPT``; listens on standard input for ``stop`` (SIGTERM to all, SIGKILL after GRACE
real seconds) and ``kill`` (SIGKILL at once). When standard input closes, whoever started it has died: that is a kill.
Standard library only, and no more of it than needed: there is one of these for every instance.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def main(grace: float, script: str) -> None:
    """Run the script and stay until nothing of the instance runs or the end is asked for."""
    # A daemon's parent is gone, so it would escape to the real init: as a sub-reaper we inherit it instead (prctl(2)).
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    spawn(script)
    while alive():
        ready, _, _ = select.select([0, read], [], [])
        if read in ready:
            os.read(read, 512)
        if 0 in ready:
            word = os.read(0, 64).decode().strip()
            return end(grace if word == "stop" else 0.0)
    return None


def spawn(script: str) -> None:
    """Start the script with nothing to read and our standard output."""
    pid = os.fork()
    if pid:
        return
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    try:
        os.execv(script, [script])  # noqa: S606  the instance's own program, no shell asked for
    except OSError as error:
        os.write(2, f"kubecfn: the user data cannot be run: {error}\n".encode())
        os._exit(126)


def alive() -> bool:
    """Reap what has ended; say whether a child is left. All descendants become children before they end."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def end(grace: float) -> None:
    """End every descendant: politely for a while, then by force until none is left."""
    deadline = time.monotonic() + grace
    if grace:
        for pid in descendants(os.getpid()):
            send(pid, signal.SIGTERM)
    while alive():
        if time.monotonic() >= deadline:
            for pid in descendants(os.getpid()):
                send(pid, signal.SIGKILL)
        time.sleep(0.01)


def send(pid: int, number: int) -> None:
    """Signal a process that may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def descendants(above: int) -> list[int]:
    """Return every process below one, by the parents in /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  pathlib would double the size of this process
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as stat:  # noqa: PTH123  as above
                    # The command in brackets may hold anything, spaces and brackets too.
                    parent = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found, queue = [], [above]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2])
