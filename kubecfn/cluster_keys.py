"""Where a cluster's keys are, and what its configuration says about them.

Apart from `assemble`, since `kubecfn keys` needs no template: importing troposphere would double what it costs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kubecfn.config import Config, Found
from kubecfn.config.found import domain_of
from kubecfn.errors import WrongUseError

if TYPE_CHECKING:
    from kubecfn import pki


def pki_directory(build_folder: Path, config: Config) -> Path:
    """Return where the cluster's keys are."""
    return build_folder / config.name / "pki"


def pki_spec(config: Config, found: Found) -> pki.PkiSpec:
    """Return what the configuration says about its keys.

    Raises:
        WrongUseError: the domain is not known: the parent zone was given by ID alone and not looked up.
    """
    from kubecfn import pki  # noqa: PLC0415  cryptography is a quarter of a cold start; emitting needs none of it

    return pki.PkiSpec(config.name, f"https://api.{known_domain(config, found)}:6443", pki.KeyType(config.pki.keys))


def known_domain(config: Config, found: Found) -> str:
    """Return the cluster's domain.

    Raises:
        WrongUseError: it is not known: the parent zone was given by ID alone and not looked up.
    """
    domain = domain_of(config, found)
    if domain is None:
        raise WrongUseError(
            f"The domain of {config.name} is not known: dns.parent_zone_id alone does not say the zone's name.",
            remedy="Add dns.parent_zone or dns.domain, or let it be looked up with credentials.",
        )
    return domain
