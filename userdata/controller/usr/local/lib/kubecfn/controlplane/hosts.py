"""The API's name on a controller: its own address, so that no controller needs the load balancer to be one.

A new target of a network load balancer is healthy after minutes, and none of its targets reaches itself through it when it
keeps addresses. The API server's certificate has the name.
"""

from __future__ import annotations

from pathlib import Path

from agent import disk

FILE = "etc/hosts"
_MARK = "# kubecfn"


def name_api(root: Path, api: str, address: str) -> str:
    """Let the API's name lead to this controller, whatever else the file holds; return what was done.

    Raises:
        OSError: the disk refused.
    """
    path = root / FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    wanted = [*(line for line in lines if not line.endswith(_MARK)), f"{address} {api} {_MARK}"]
    if wanted != lines:
        disk.write(path, "\n".join(wanted) + "\n", 0o644)
    return f"{api} is {address} here"
