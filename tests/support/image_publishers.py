"""The publishers of an image on loopback: files and sums in the forms they really use, PyPI's index, and a registry."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kubecfn.image.programs import ARCHITECTURES, GO, Publishers, container_images, downloads

TOKEN = "anonymous-token"
# What is asked of containerd's client is written down below the root in which it lies.
_CTR = 'root=${0%/usr/local/bin/ctr}\nmkdir -p "$root/var/log"\necho "$@" >> "$root/var/log/ctr.asked"\n'
PREFIXES = ("kubernetes", "github", "artifacts", "pypi")


class World:
    """One loopback server that is every publisher.

    Attributes:
        files: path -> bytes; a test takes away or changes what it wants.
        asked: every "METHOD path".
        failures: path -> HTTP statuses that are answered first.
        publishers: where they are.
    """

    def __init__(self, versions):
        self.versions = versions
        self.files, self.asked, self.failures = {}, [], {}
        self.digests = {}
        self.images = {}

    @classmethod
    @contextmanager
    def of(cls, versions):
        """Serve them."""
        world = cls(versions)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(world))
        world.base = f"http://127.0.0.1:{server.server_address[1]}"
        world.publishers = Publishers(
            **{name: f"{world.base}/{name}" for name in PREFIXES}, registry=f"{world.base}/registry/{{host}}"
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        world.fill()
        try:
            yield world
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def put(self, url, data):
        """Let something lie at a URL."""
        self.files[url.removeprefix(self.base)] = data if isinstance(data, bytes) else data.encode()

    def at(self, url):
        """What lies at a URL."""
        return self.files[url.removeprefix(self.base)]

    def fill(self):
        """Publish everything that an image is made of."""
        sums = {}
        for architecture in ARCHITECTURES:
            for one in downloads(self.versions, architecture, self.publishers):
                if one.architecture == "any":
                    self._publish_wheel(one)
                    continue
                data = _made(one, self.versions)
                self.put(one.url, data)
                sums.setdefault(one.sums, []).append((one, hashlib.sha256(data).hexdigest()))
        for url, listed in sums.items():
            self.put(url, _sums(listed))
        for name in container_images(self.versions):
            self._publish_image(name)

    def _publish_wheel(self, one):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as wheel:
            module = one.name.replace("python-", "")
            wheel.writestr(f"{module}/__init__.py", f"__version__ = '{one.version}'\n")
            wheel.writestr(f"{one.name.replace('-', '_')}-{one.version}.dist-info/METADATA", f"Name: {one.name}\n")
        file = f"{one.name.replace('-', '_')}-{one.version}-py3-none-any.whl"
        url = f"{self.base}/files/{file}"
        self.put(url, packed.getvalue())
        sdist = {
            "packagetype": "sdist",
            "filename": f"{one.name}-{one.version}.tar.gz",
            "url": "x",
            "digests": {"sha256": "0" * 64},
        }
        wheel = {
            "packagetype": "bdist_wheel",
            "filename": file,
            "url": url,
            "yanked": False,
            "digests": {"md5": "0" * 32, "sha256": hashlib.sha256(packed.getvalue()).hexdigest()},
        }
        self.put(one.sums, json.dumps({"info": {"name": one.name}, "urls": [sdist, wheel]}))

    def _publish_image(self, name):
        host, _, rest = name.partition("/")
        path, _, tag = rest.rpartition(":")
        base = f"/registry/{host}/v2/{path}"
        manifests = []
        for go in GO.values():
            layer = _layer(f"{name} for {go}".encode())
            root = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
            config = json.dumps({"architecture": go, "os": "linux", "rootfs": root}).encode()
            kinds = ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar")
            blobs = [_descriptor(kind, data) for kind, data in zip(kinds, (config, layer), strict=True)]
            for one, data in zip(blobs, (config, layer), strict=True):
                self.files[f"{base}/blobs/{one['digest']}"] = data
            kind = "application/vnd.oci.image.manifest.v1+json"
            text = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": blobs[0], "layers": blobs[1:]}).encode()
            one = {**_descriptor(kind, text), "platform": {"architecture": go, "os": "linux"}}
            self.files[f"{base}/manifests/{one['digest']}"] = text
            manifests.append(one)
        index = json.dumps(
            {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
        ).encode()
        digest = f"sha256:{hashlib.sha256(index).hexdigest()}"
        self.images[name] = digest
        for reference in (tag, digest):
            where = f"{base}/manifests/{reference}"
            self.files[where], self.digests[where] = index, digest


def _layer(data):
    """One file system with one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("pause")
        member.size, member.mode = len(data), 0o755
        archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _descriptor(kind, data):
    return {"mediaType": kind, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}


def _program(name, versions):
    """A program that says its version as the real one does."""
    says = {
        "kubeadm": f"v{versions.kubernetes}",
        "kubelet": f"Kubernetes v{versions.kubernetes}",
        "containerd": f"containerd github.com/containerd/containerd/v2 v{versions.containerd} abcdef",
        "etcd": f"etcd Version: {versions.etcd}",
    }
    more = {"containerd": '[ "$1" = --version ] || exec sleep 60\n', "ctr": _CTR}
    return f"#!/bin/sh\n{more.get(name, '')}echo '{says.get(name, name)}'\n".encode()


def _made(one, versions):
    if one.into.startswith("bin/"):
        return _program(one.name, versions)
    inside = dict.fromkeys(one.members) or {"./bridge": 0, "./loopback": 0, "./LICENSE": 0, "./README.md": 0}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in [*inside, "Documentation/index.md"]:
            data = _program(name.rpartition("/")[2], versions)
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _sums(listed):
    """Write sums as this publisher does."""
    (one, sha256), *_ = listed
    file = one.url.rpartition("/")[2]
    if one.sums.endswith("runc.sha256sum"):  # signed, with files nobody here wants
        lines = "".join(f"{sha}  {which.url.rpartition('/')[2]}\n" for which, sha in listed)
        return (
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
            f"{lines}{'f' * 64}  runc.amd64.asc\n"
            "-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n"
        )
    if one.sums.endswith(("SHA256SUMS", "checksums.txt")):
        return "".join(f"{sha}  {which.url.rpartition('/')[2]}\n" for which, sha in listed) + f"{'e' * 64}  other.zip\n"
    if one.sums.endswith((".tgz.sha256", ".tar.gz.sha256sum")):
        return f"{sha256}  {file}\n"
    return sha256 if one.name.startswith("kube") else f"{sha256}\n"


def _handler(world):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Say nothing."""

        def do_HEAD(self):
            self._answer(body=False)

        def do_GET(self):
            self._answer(body=True)

        def _answer(self, *, body):
            path = self.path
            world.asked.append(f"{self.command} {path}")
            if world.failures.get(path):
                return self._send(world.failures[path].pop(0), b"later", body=body)
            if path.startswith("/token?"):
                return self._send(200, json.dumps({"token": TOKEN}).encode(), body=body)
            if path.startswith("/registry/") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                asks = f'Bearer realm="{world.base}/token",service="registry",scope="repository:{path.split("/manifests")[0]}:pull"'
                return self._send(401, b"{}", {"WWW-Authenticate": asks}, body=body)
            if path not in world.files:
                return self._send(404, b"nothing", body=body)
            more = {"Docker-Content-Digest": world.digests[path]} if path in world.digests else {}
            return self._send(200, world.files[path], more, body=body)

        def _send(self, status, data, headers=(), *, body):
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

    return Handler
