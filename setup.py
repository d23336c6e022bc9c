"""Put lambdas/, userdata/, image/ and the example configurations inside the wheel; everything else is in setup.cfg."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
CARRIED = ("lambdas", "userdata", "config", "image")


class BuildWithData(build_py):
    """The ordinary build, and then the trees that nodes and functions are made of."""

    def run(self) -> None:
        """Copy each tree to kubecfn/_data, where `kubecfn.artifacts` looks first."""
        super().run()
        if self.editable_mode:
            return
        for name in CARRIED:
            target = Path(self.build_lib, "kubecfn", "_data", name)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


setup(cmdclass={"build_py": BuildWithData})
