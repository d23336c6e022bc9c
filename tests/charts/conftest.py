"""The real Helm, built from its module; where it is not built the tests of charts skip loudly, and fail in CI."""

from __future__ import annotations

import os

import pytest

from kubecfn.charts import Helm
from kubecfn.config import load_text
from kubecfn.local.programs import cache
from tests.rehearsal import programs


@pytest.fixture(scope="session")
def helm() -> Helm:
    recipe = programs.helm()
    program = cache() / f"{recipe.name}-{recipe.version}" / "helm"
    if not program.is_file():
        missing = f"Helm {recipe.version} is not built on this machine: make kubernetes-programs builds it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return Helm(program, pause=lambda: None)


@pytest.fixture
def configured():
    """Return a configuration with these lines beside the least that a cluster needs."""

    def from_lines(lines: str):
        return load_text(f"name: payments\nregion: eu-central-1\ndns: {{private: true, domain: k.internal}}\n{lines}\n")

    return from_lines


@pytest.fixture
def chart(tmp_path):
    """Return a function that writes a chart's templates (by file name) beside a configuration, in a folder of its name."""

    def written(name: str = "web", values: str = "", **templates: str):
        folder = tmp_path / name
        (folder / "templates").mkdir(parents=True)
        (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 1.2.3\n")
        (folder / "values.yaml").write_text(values)
        for file, text in templates.items():
            (folder / "templates" / f"{file}.yaml").write_text(text)
        return folder

    return written
