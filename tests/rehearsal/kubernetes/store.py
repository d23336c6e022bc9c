"""containerd's store with every image in it: each instance's own for the price of its folders.

Layers are never written to again, so instances share them by hard links; the databases beside them are copied.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# What is no file that is only read: opened for writing by every containerd.
_DATABASES = "*.db"


def lay(golden: Path, target: Path) -> None:
    """Give an instance a store of its own, which begins as the golden one.

    Args:
        golden: as the machine image has it.
        target: does not exist; on the same file system.
    """
    shutil.copytree(golden, target, copy_function=_link, symlinks=True)


def _link(source: str, target: str) -> None:
    if Path(source).match(_DATABASES):
        shutil.copy2(source, target)
    else:
        os.link(source, target, follow_symlinks=False)
