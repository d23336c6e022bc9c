"""The page of all configuration keys, read off the models: what may stand there, what stands there otherwise, what it means."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from kubecfn.config.meanings import meanings
from kubecfn.config.models import Config
from kubecfn.config.types import Part

_INTRO = """\
# Configuration

Generated from the models in `kubecfn/config/` by `make templates`. One YAML file describes one cluster; whatever is not listed
here is refused. `kubecfn config show` prints a file with every default filled in, `kubecfn config check` says everything that
is wrong with it, and [config-schema.json](config-schema.json) is for editors:

    # yaml-language-server: $schema=../docs/config-schema.json

`[]` stands for each entry of a list.
"""
# What no key, name or value can be: every rule refuses it and says what it wants instead.
_IMPOSSIBLE = "\0"


def configuration_page() -> str:
    """Return the page: a table for each section of the file."""
    return "\n".join([_INTRO, *_sections("", Config)])


def _sections(path: str, model: type[Part]) -> Iterator[str]:
    """Yield a section's table, then those of the sections inside it."""
    title = f"## `{path}`" if path else "## The cluster"
    known = meanings()[model.__name__]
    rows = [
        _row(f"{path}.{name}" if path else name, field, known.get(name, ""))
        for name, field in model.model_fields.items()
    ]
    head = ["| key | what may stand there | default | meaning |", "|---|---|---|---|"]
    yield "\n".join([title, "", _sentence(model.__doc__), "", *head, *rows, ""])
    for name, field in model.model_fields.items():
        below = f"{path}.{name}" if path else name
        for inner, is_list in _parts(field.annotation):
            yield from _sections(f"{below}[]" if is_list else below, inner)


def _row(path: str, field: FieldInfo, meaning: str) -> str:
    allowed = _words(field.annotation, field.metadata)
    cells = (f"`{path}`", allowed, _default(field), _sentence(meaning))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, Part) or (not value and not isinstance(value, bool | int)):
        return ""
    return f"`{json.dumps(value)}`".replace('"', "")


def _words(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Say what a type accepts, as a phrase."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0], [*_flat(arguments[1:]), *metadata])
    if origin in {Union, types.UnionType}:
        return " or ".join(_words(one, metadata) for one in arguments if one is not type(None))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"a list{_bounds(metadata, 'min_length', 'max_length')} of: {_words(arguments[0])}"
    if origin is dict:
        return f"a map{_bounds(metadata, 'min_length', 'max_length')} from {_words(arguments[0])} to {_words(arguments[1])}"
    return _plain(annotation, metadata)


def _plain(annotation: Any, metadata: Iterable[Any]) -> str:
    """Say what a type without parameters accepts."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return "a section (see below)"
    if annotation is Any:
        return "anything"
    if annotation is bool:
        return "`true`, `false`"
    if annotation is int:
        return f"a number{_bounds(metadata, 'ge', 'le')}"
    return _refused_otherwise(metadata) or f"text{_bounds(metadata, 'min_length', 'max_length', ' characters')}"


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    """Yield the constraints of an annotation, those inside a `Field` too."""
    for one in metadata:
        yield from one.metadata if isinstance(one, FieldInfo) else (one,)


def _bounds(metadata: Iterable[Any], lower: str, upper: str, unit: str = "") -> str:
    """Say how small or large something may be: `` (1 to 6)``."""
    least, most = (
        next((getattr(one, name) for one in metadata if hasattr(one, name)), None) for name in (lower, upper)
    )
    if most is None:
        return ""
    return f" ({least} to {most}{unit})" if least is not None else f" (at most {most}{unit})"


def _refused_otherwise(metadata: Iterable[Any]) -> str:
    """Return what a rule says about a value that cannot be, turned into what can: one text for the error and for here."""
    for rule in metadata:
        if isinstance(rule, AfterValidator):
            try:
                rule.func(_IMPOSSIBLE)  # type: ignore[call-arg]
            except PydanticCustomError as refusal:
                context = refusal.context or {}
                return _allowed(str(context["reason"]), str(context.get("remedy", "")))
    return ""


def _allowed(reason: str, remedy: str) -> str:
    """Turn "is not a version", "Write it as 1.36." into "a version: 1.36"."""
    what = reason.removeprefix("is not ").removeprefix("must be ")
    if remedy.startswith("Write it as "):
        example, comma, rest = remedy.removeprefix("Write it as ").removesuffix(".").partition(", ")
        return f"{what}: " + " or ".join(f"`{one}`" for one in example.split(" or ")) + comma + rest
    return f"{what}. {remedy}" if remedy.startswith("Write ") else what


def _parts(annotation: Any, *, in_list: bool = False) -> Iterator[tuple[type[Part], bool]]:
    """Yield the sections that a type holds, and whether it holds a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation, in_list
    for argument in get_args(annotation):
        yield from _parts(argument, in_list=in_list or get_origin(annotation) is tuple)


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())
