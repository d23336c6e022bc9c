"""A template's values as the APIs want them."""

from __future__ import annotations

import pytest
from botocore.model import ShapeResolver

from kubecfn.local.providers.resource import changed
from kubecfn.local.providers.seam import UnsupportedError
from kubecfn.local.providers.shapes import fit

SHAPES = ShapeResolver(
    {
        "Text": {"type": "string"},
        "Count": {"type": "integer"},
        "Share": {"type": "double"},
        "Flag": {"type": "boolean"},
        "Counts": {"type": "list", "member": {"shape": "Count"}},
        "Words": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
        "Thing": {"type": "structure", "members": {"size": {"shape": "Count"}, "Name": {"shape": "Text"}}},
    }
)


@pytest.mark.parametrize(
    ("shape", "value", "fitted"),
    [
        ("Count", "80", 80),
        ("Count", 80, 80),
        ("Count", "many", "many"),  # left for the API to refuse
        ("Share", "0.5", 0.5),
        ("Flag", "true", True),
        ("Flag", "False", False),
        ("Flag", "perhaps", "perhaps"),
        ("Text", 80, "80"),
        ("Text", True, "true"),
        ("Text", {"a": [1]}, '{"a":[1]}'),
        ("Counts", ["1", 2], [1, 2]),
        ("Words", {"a": 1}, {"a": "1"}),
        ("Thing", {"Size": "3", "Name": "x"}, {"size": 3, "Name": "x"}),
    ],
)
def test_a_value_becomes_what_the_parameter_is(shape, value, fitted):
    """CloudFormation takes numbers and booleans as text, documents as objects and its own capital letters."""
    made = fit(SHAPES.get_shape_by_name(shape), value, "Type")

    assert (made, type(made)) == (fitted, type(fitted))


def test_a_member_the_api_does_not_know_is_refused_with_its_path():
    """Nothing in a template vanishes on its way to the API."""
    with pytest.raises(UnsupportedError, match="Type: property Weight is not emulated"):
        fit(SHAPES.get_shape_by_name("Thing"), {"Weight": 1}, "Type")


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ({"a": "80"}, {"a": 80}, False),
        ({"a": True}, {"a": "true"}, False),
        ({"a": [{"b": 1}]}, {"a": [{"b": "1"}]}, False),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1}, {}, True),
        ({}, {}, False),
        ({"b": 1}, {"b": 2}, False),  # not asked about
    ],
)
def test_a_value_and_its_text_are_the_same_value(old, new, differs):
    """A template that writes 80 instead of "80" changes nothing."""
    assert changed(old, new, "a") is differs
