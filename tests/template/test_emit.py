"""What a template looks like as text."""

from __future__ import annotations

import subprocess
import sys

import pytest
from made_templates import EXAMPLES, ROOT, made_from

from kubecfn.config import load
from kubecfn.local.cloudformation.template import parse
from kubecfn.template.emit import emit_dict


def long_form(node):
    """Write GetAtt as a list and tuples as lists, as a parser gives them."""
    if isinstance(node, dict):
        return {key: long_form(value) for key, value in node.items()}
    return [long_form(item) for item in node] if isinstance(node, list | tuple) else node


@pytest.mark.parametrize("name", EXAMPLES)
def test_text_says_exactly_what_was_built(examples, name):
    """Reading the text back gives the template, every short form in its long form."""
    made = examples[name]

    assert long_form(made.data) == long_form(dict(parse(made.text, limit=1_000_000).data))


def test_the_same_configuration_gives_the_same_bytes(minimal):
    """Nothing in a template depends on when or where it was made."""
    again = made_from(load(ROOT / "config" / "minimal-public.yaml"))

    assert minimal.text == again.text


def test_sections_stand_in_the_usual_order(minimal):
    """A reader finds parameters before resources and outputs last."""
    sections = [line.split(":")[0] for line in minimal.text.splitlines() if line and line[0].isalpha()]

    assert sections == ["AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Resources", "Outputs"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"Ref": "A"}, "!Ref A"),
        ({"Fn::GetAtt": ["A", "Arn"]}, "!GetAtt A.Arn"),
        ({"Fn::Sub": "${A}-b"}, "!Sub ${A}-b"),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "!Select [0, !GetAZs '']"),
        ({"Fn::Base64": {"Fn::Sub": "x"}}, "\n        Fn::Base64: !Sub x"),
        ("true", "'true'"),
        ("1.30", "'1.30'"),
        ("0123", "'0123'"),
        (True, "true"),
        ("a: b", "'a: b'"),
        ("2020-01-01", "'2020-01-01'"),
        ("two\nlines\n", "|\n        two\n        lines"),
    ],
)
def test_short_forms_and_quotes_are_right(value, text):
    """A short form inside another's scalar would not be YAML, and text that looks like a number stays text."""
    emitted = emit_dict({"Resources": {"R": {"Type": "T", "Properties": {"P": value, "Q": {"a": 1, "b": 2, "c": 3}}}}})

    assert (
        f"      P: {text}" in emitted.replace("P: \n", "P:\n").replace("P:\n", "P: \n") or f"      P:{text}" in emitted
    )
    assert value == parse(emitted).data["Resources"]["R"]["Properties"]["P"]


def test_emitting_loads_nothing_it_does_not_need():
    """A cold start pays for troposphere, never for boto3, rich, moto or cfn-lint."""
    program = (
        "import sys; from pathlib import Path; from kubecfn.config import load, found_from; "
        "from kubecfn.template import build, emit, parameters; from kubecfn.template.rules import check; "
        "c = load(Path('config/minimal-public.yaml')); t = build(c, found_from(c)); emit(t); check(t.to_dict(), c.region); "
        "print([m for m in ('boto3', 'botocore', 'rich', 'moto', 'cfnlint') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
