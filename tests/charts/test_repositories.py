"""A chart of a repository: the real Helm packs it, indexes it, fetches it over TLS, and it is rendered as any other."""

from __future__ import annotations

import ssl
import subprocess
import threading
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kubecfn.charts import extra_objects
from kubecfn.errors import KubecfnError
from kubecfn.pki import KeyType, profiles
from kubecfn.pki.certificates import certificate_file, new_authority, new_leaf

OBJECT = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {of: {{ .Chart.Version | quote }}}\n"
)


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that keeps no log."""

    def log_message(self, *_args) -> None:
        """Say nothing."""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Serve tmp_path/repository over TLS with a certificate that Helm trusts; give its address."""
    now = datetime.now(UTC)
    authority = new_authority(profiles.ETCD_AUTHORITY, "test", KeyType.P256, now)
    leaf = new_leaf(profiles.ETCD_MEMBER, authority, KeyType.P256, now, ("127.0.0.1", "localhost"))
    for name, data in (
        ("ca.pem", certificate_file(authority.certificate).data),
        ("server.pem", leaf.certificate.data + leaf.key.data),
    ):
        (tmp_path / name).write_bytes(data)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"HELM_{name}_HOME", str(tmp_path / name))
    (tmp_path / "repository").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "repository"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def published(helm, chart, tmp_path, repository):
    """Publish web 1.2.3 in the repository."""
    folder = chart(web=OBJECT)
    for told in (
        ["package", folder, "--destination", tmp_path / "repository"],
        ["repo", "index", tmp_path / "repository"],
    ):
        subprocess.run([helm.program, *told], check=True, capture_output=True)
    return repository


def test_a_chart_of_a_repository_is_fetched_in_its_exact_version(helm, configured, tmp_path, published) -> None:
    """Name, repository and version say which; what it renders to is applied like a local chart's."""
    config = configured(f"charts: [{{name: shop, chart: web, repo: '{published}', version: 1.2.3}}]")

    (manifest,) = extra_objects(config, tmp_path, helm=helm)

    (one,) = manifest.objects
    assert (one["metadata"], one["data"]) == ({"name": "shop", "namespace": "default"}, {"of": "1.2.3"})


@pytest.mark.parametrize(("chart_name", "version"), [("web", "1.2.4"), ("wep", "1.2.3")])
def test_a_version_or_a_chart_that_the_repository_does_not_have_is_said(
    helm, configured, tmp_path, published, chart_name, version
) -> None:
    """Never the nearest: Helm's own words, and nothing is rendered."""
    config = configured(f"charts: [{{name: shop, chart: {chart_name}, repo: '{published}', version: {version}}}]")

    with pytest.raises(KubecfnError, match=rf"The chart shop could not be fetched: .*{chart_name}.*"):
        extra_objects(config, tmp_path, helm=helm)
