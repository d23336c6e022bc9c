"""The values of a stack's parameters: the configuration's, and the artifacts' hashes and place."""

from __future__ import annotations

from collections.abc import Mapping

from troposphere import Template

from kubecfn.config import Config, Found
from kubecfn.errors import KubecfnError


def parameters(
    config: Config, found: Found, artifacts: Mapping[str, str], template: Template | None = None
) -> dict[str, str]:
    """Return a value for every parameter of the cluster's template.

    Args:
        config: the cluster.
        found: the IDs of outside resources.
        artifacts: ArtifactBucket, ArtifactKeyArn and the ``…Sha256`` of every artifact, by the parameter's name; more
            than the template asks for (a worker bundle without pools) is left out.
        template: what `build` returned for the same configuration, when it is at hand.

    Raises:
        KubecfnError: a parameter has no value.
    """
    if template is None:
        from kubecfn.template import build  # noqa: PLC0415  the package's own entry, which imports this module

        template = build(config, found)
    defaults = {name: made.to_dict().get("Default") for name, made in template.parameters.items()}
    values = {name: artifacts.get(name, default) for name, default in defaults.items()}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise KubecfnError(
            f"The stack's parameters {', '.join(missing)} of {config.name} have no value.",
            remedy="Give image, dns and network by ID in the configuration or let them be looked up, and upload first.",
        )
    return {name: str(value) for name, value in values.items()}
