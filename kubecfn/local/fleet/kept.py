"""A function's settings that moto accepts and forgets: kept here, so that they are answered and can be acted upon.

AWS: Lambda API Reference, FunctionConfiguration (LoggingConfig, DeadLetterConfig).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.awslambda import models

_KEPT = ("LoggingConfig", "DeadLetterConfig")


class _Function(models.LambdaFunction):  # type: ignore[misc]  # moto is untyped here
    """moto's function with the settings it leaves out."""

    def __init__(self, account_id: str, spec: dict[str, Any], region: str, version: str | int = 1) -> None:
        super().__init__(account_id, spec, region, version)
        self._kept = _of(spec)

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  moto's signature
        """Return the configuration, with what was kept."""
        return {**super().get_configuration(on_create), **self._kept}

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """Change the configuration and return it."""
        self._kept = {**self._kept, **_of(config_updates)}
        super().update_configuration(config_updates)
        return self.get_configuration()


def _of(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in _KEPT if settings.get(name)}


def keep() -> None:
    """Let moto make functions that keep these settings, from now on and for every account of this process."""
    models.LambdaFunction = _Function
