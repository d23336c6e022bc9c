"""A template with what it was made from, and where the examples are."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubecfn.config import Config, found_from
from kubecfn.template import build, emit

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))


@dataclass(frozen=True)
class Made:
    """A template with what it was made from."""

    config: Config
    data: dict[str, Any]
    text: str

    def resource(self, logical_id: str) -> dict[str, Any]:
        """Return a resource with its attributes."""
        return self.data["Resources"][logical_id]

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Return a resource's properties."""
        return self.resource(logical_id).get("Properties", {})

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of every resource of a type (without ``AWS::``) by logical id."""
        wanted = f"AWS::{kind}"
        return {
            name: made.get("Properties", {}) for name, made in self.data["Resources"].items() if made["Type"] == wanted
        }

    def copy(self) -> dict[str, Any]:
        """Return the template to be broken."""
        return copy.deepcopy(self.data)


def made_from(config: Config) -> Made:
    """Return the template that a configuration gives without anything looked up."""
    template = build(config, found_from(config))
    return Made(config, template.to_dict(), emit(template))
