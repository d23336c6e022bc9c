"""How the operator's machine reaches the API server: by the administrator's kubeconfig."""

from __future__ import annotations

from pathlib import Path

from kubecfn.cluster_keys import pki_directory
from kubecfn.config import Config
from kubecfn.errors import FileError
from kubecfn.kubernetes.client import Client, KubernetesError

_TIMEOUT = 10.0


def kubeconfig_of(build: Path, config: Config, given: Path | None) -> Path:
    """Return the kubeconfig to use: the given one, or the one that was made with the cluster's keys.

    Raises:
        FileError: it is not there.
    """
    path = given or pki_directory(build, config) / "kubeconfig"
    if not path.is_file():
        raise FileError(
            f"{path} is not there.",
            remedy="Make it with kubecfn keys make (kubecfn keys pull where the cluster runs), or name one with --kubeconfig.",
        )
    return path


def administrator(path: Path) -> Client:
    """Return a client by a kubeconfig with a client certificate.

    Raises:
        FileError: it cannot be used.
    """
    try:
        return Client.from_kubeconfig(path, timeout=_TIMEOUT)
    except (KubernetesError, ValueError) as error:
        raise FileError(f"{error}.", remedy="Use the administrator's own: kubecfn kubeconfig.") from error
