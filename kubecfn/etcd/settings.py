"""A frozen dataclass of strings and integers, read from the environment variables of the same names in capitals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

Settings = TypeVar("Settings")
_READERS = {"str": str, "int": int}


class SettingsError(Exception):
    """A variable is missing or is not what it must be."""


def variables(settings: Any) -> frozenset[str]:
    """Return the names of the environment variables that a settings class reads."""
    return frozenset(field.name.upper() for field in fields(settings))


def from_environment(settings: type[Settings], environment: Mapping[str, str]) -> Settings:
    """Return the settings.

    Raises:
        SettingsError: naming the variable that is missing, empty or no number.
    """
    values: dict[str, str | int] = {}
    for field in fields(settings):  # type: ignore[arg-type]
        name = field.name.upper()
        text = environment.get(name, "")
        if not text:
            raise SettingsError(f"the environment variable {name} is missing")
        try:
            values[field.name] = _READERS[str(field.type)](text)
        except ValueError:
            raise SettingsError(f"the environment variable {name} is {text!r}, not a whole number") from None
    return settings(**values)
