"""The committed templates: never stale, and clean in cfn-lint's eyes."""

from __future__ import annotations

import pytest
from made_templates import EXAMPLES, ROOT

from kubecfn.config import load
from kubecfn.template.examples import examples as emitted_examples
from kubecfn.template.lint import lint


@pytest.fixture(scope="module")
def fresh() -> dict[str, str]:
    return dict(emitted_examples(ROOT / "config"))


def test_committed_templates_are_what_would_be_emitted_now(fresh):
    """A reader of templates/ sees what kubecfn does today."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "templates").glob("*.yaml")}
    stale = sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))

    assert stale == [], "run: make templates"


@pytest.mark.parametrize("name", [*EXAMPLES, "artifact-bucket"])
def test_cfn_lint_finds_nothing(fresh, name):
    """No error and no warning, without a rule ignored, for the region the example is for."""
    region = "eu-central-1" if name == "artifact-bucket" else load(ROOT / "config" / f"{name}.yaml").region

    assert lint(fresh[f"{name}.yaml"], region) == []


def test_cfn_lint_would_find_a_mistake(fresh):
    """The check can fail: a misspelt property is found, with its place."""
    broken = fresh["artifact-bucket.yaml"].replace("EnableKeyRotation", "EnableKeyRotatoin")
    (finding,) = lint(broken, "eu-central-1")

    assert "EnableKeyRotatoin" in str(finding)
    assert finding.path.startswith("Resources/ArtifactKey")
