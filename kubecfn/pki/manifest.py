"""The list of what belongs to a set: whose it is, and the fingerprint of each file as it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from kubecfn.errors import FileError, WrongUseError
from kubecfn.pki.keys import KeyType, PemFile

FORMAT = 1
LONGEST_CLUSTER_NAME = 64  # X.520, ub-organization-name: it becomes the authorities' O


@dataclass(frozen=True)
class PkiSpec:
    """What a configuration says about its keys.

    Attributes:
        cluster: the cluster's name, at most 64 characters.
        api_endpoint: what the kubeconfig points at: ``https://api.DOMAIN:6443``.
        key_type: of authorities and leaves that are made from now on.

    Raises:
        WrongUseError: on a name or endpoint that cannot be.
    """

    cluster: str
    api_endpoint: str
    key_type: KeyType = KeyType.P256

    def __post_init__(self) -> None:
        if not 1 <= len(self.cluster) <= LONGEST_CLUSTER_NAME:
            raise WrongUseError(
                f"The cluster name {self.cluster!r} does not fit a certificate: 1 to {LONGEST_CLUSTER_NAME} characters.",
                remedy="Choose a shorter `name`.",
            )
        if not self.api_endpoint.startswith("https://"):
            raise WrongUseError(
                f"The API endpoint {self.api_endpoint!r} does not start with https://.",
                remedy="Give it as https://api.DOMAIN:6443.",
            )


@dataclass(frozen=True)
class Manifest:
    """What pki.json says.

    Attributes:
        cluster: whose keys these are.
        key_type: what was asked for when the set was begun.
        created: when, as ISO 8601 in UTC.
        api_endpoint: what the kubeconfig points at.
        files: SHA-256 by path.
    """

    cluster: str
    key_type: KeyType
    created: str
    api_endpoint: str
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def begin(cls, spec: PkiSpec, now: datetime) -> Manifest:
        """Return the manifest of a set that has no file yet."""
        return cls(spec.cluster, spec.key_type, now.isoformat(), spec.api_endpoint)

    @classmethod
    def parse(cls, data: bytes, source: str) -> Manifest:
        """Read what `to_file` wrote.

        Raises:
            FileError: it is something else.
        """
        try:
            content = json.loads(data)
            found = content.pop("format")
            manifest = cls(**(content | {"key_type": KeyType(content["key_type"]), "files": dict(content["files"])}))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FileError(
                f"{source} cannot be read as kubecfn's list of keys: {type(error).__name__}: {error}.",
                remedy="Restore it from a backup.",
            ) from error
        if found != FORMAT:
            raise FileError(
                f"{source} has format {found}; this kubecfn knows format {FORMAT}.",
                remedy="Use the kubecfn that wrote it, or a newer one.",
            )
        return manifest

    def to_file(self) -> PemFile:
        """Return the manifest as sorted JSON."""
        content = {"format": FORMAT} | asdict(self)
        return PemFile(json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")

    def with_files(self, files: Mapping[str, PemFile], *, api_endpoint: str | None = None) -> Manifest:
        """Return the manifest after these files were written."""
        fingerprints = dict(self.files) | {path: file.sha256 for path, file in files.items()}
        return replace(self, files=fingerprints, api_endpoint=api_endpoint or self.api_endpoint)
