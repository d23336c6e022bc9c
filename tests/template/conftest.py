"""Templates made once for all tests that only read them; `made_templates` can be imported by name."""

from __future__ import annotations

import pytest
from made_templates import EXAMPLES, ROOT, Made, made_from

from kubecfn.config import load, load_text


@pytest.fixture(scope="session")
def make():
    """Return a function from lines of configuration (beside name, region and a private zone) to a template."""

    def from_lines(
        lines: str = "", *, region: str = "eu-central-1", dns: str = "{private: true, domain: k.example.com}"
    ):
        return made_from(load_text(f"name: payments\nregion: {region}\ndns: {dns}\n{lines}"))

    return from_lines


@pytest.fixture(scope="session")
def examples() -> dict[str, Made]:
    """Return every example's template by the example's name."""
    return {name: made_from(load(ROOT / "config" / f"{name}.yaml")) for name in EXAMPLES}


@pytest.fixture(scope="session")
def minimal(examples) -> Made:
    return examples["minimal-public"]


@pytest.fixture(scope="session")
def mixed(examples) -> Made:
    return examples["five-mixed"]
