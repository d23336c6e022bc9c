"""The administrator's kubeconfig, as text."""

from __future__ import annotations

import base64
import json

from kubecfn.pki.keys import PemFile


def kubeconfig_file(cluster: str, api_endpoint: str, authority: PemFile, certificate: PemFile, key: PemFile) -> PemFile:
    """Return a kubeconfig that holds everything it needs.

    Args:
        cluster: names the cluster, and the context with the user before it.
        api_endpoint: ``https://api.DOMAIN:6443``.
        authority: the certificate of the kubernetes authority.
        certificate: the administrator's.
        key: the administrator's.
    """
    name, user = json.dumps(cluster), json.dumps(f"admin@{cluster}")
    return PemFile(
        f"""\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {json.dumps(api_endpoint)}
    certificate-authority-data: {_base64(authority)}
users:
- name: {user}
  user:
    client-certificate-data: {_base64(certificate)}
    client-key-data: {_base64(key)}
contexts:
- name: {user}
  context:
    cluster: {name}
    user: {user}
current-context: {user}
""".encode()
    )


def _base64(file: PemFile) -> str:
    return base64.b64encode(file.data).decode()
