"""What each key of the configuration means: the sentence below its field, read from the source when somebody asks.

pydantic can read them itself, but does it whenever the models are imported: a tenth of what emitting a template costs.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from kubecfn.config import addons, contents, models

_SOURCES = (models, addons, contents)


@cache
def meanings() -> Mapping[str, Mapping[str, str]]:
    """Return the sentence below every field that has one, by the section's class and the key."""
    trees = [ast.parse(inspect.getsource(source)) for source in _SOURCES]
    sections = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    return {section.name: dict(_documented(section)) for section in sections}


def _documented(section: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(section.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the models' JSON schema with every key's meaning as its description."""
    sections = {schema["title"]: schema, **schema["$defs"]}
    for name, section in sections.items():
        for key, property_ in section.get("properties", {}).items():
            if key in meanings().get(name, {}):
                property_["description"] = meanings()[name][key]
    return schema
