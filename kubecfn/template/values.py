"""The values of a stack's parameters: the configuration's, and the artifacts' hashes and place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubecfn.errors import KubecfnError


def values(template: Mapping[str, Any], artifacts: Mapping[str, str]) -> dict[str, str]:
    """Return a value for every parameter of a template.

    Args:
        template: as a dictionary; a parameter's default is what the configuration says.
        artifacts: ArtifactBucket, ArtifactKeyArn and the ``…Sha256`` of every artifact, by the parameter's name; what the
            template does not ask for (a worker bundle without pools) is left out.

    Raises:
        KubecfnError: parameters without a value, by name.
    """
    defaults = {name: made.get("Default") for name, made in template.get("Parameters", {}).items()}
    chosen = {name: artifacts.get(name, default) for name, default in defaults.items()}
    missing = [name for name, value in chosen.items() if value is None]
    if missing:
        raise KubecfnError(
            f"Parameters of the stack have no value: {', '.join(missing)}.",
            remedy="Give image, dns and network by ID in the configuration or let them be looked up, and upload first.",
        )
    return {name: str(value) for name, value in chosen.items()}
