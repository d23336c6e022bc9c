"""The real programs say what the image's last step asks for, and the real containerd keeps what install imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kubecfn.image.document import install_document
from kubecfn.image.programs import registry_of
from kubecfn.local.imagebuilder.documents import Runner, StepError
from kubecfn.local.programs import cache
from kubecfn.versions import RELEASES, choose

IMAGE = Path(__file__).parents[2] / "image"
V136 = choose("1.36")


def programs(*wanted):
    """Return the built programs' paths by name; skip where they are not built, but never in CI."""
    found = {}
    for folder, name in wanted:
        path = cache() / folder / name
        if not path.is_file():
            assert not os.environ.get("CI"), f"CI builds {path}"
            pytest.skip(f"{path} is not built: make kubernetes-programs")
        found[name] = path
    return found


@pytest.fixture
def asked(tmp_path):
    """Run the questions that end a build over these programs."""
    said = []

    def ask(versions, found):
        target = tmp_path / "root/usr/local/bin"
        target.mkdir(parents=True)
        for name, path in found.items():
            (target / name).symlink_to(path)
        packages = tmp_path / "root/usr/local/lib/python3.9/site-packages/boto3"
        packages.mkdir(parents=True)
        (packages / "__init__.py").touch()
        Runner(tmp_path / "root", tmp_path, said.append).run(install_document(versions), "validate")
        return said

    return ask


def _of(versions):
    kubernetes, etcd = f"kubernetes-{versions.kubernetes}", f"etcd-{versions.etcd}"
    return (
        (kubernetes, "kubeadm"),
        (kubernetes, "kubelet"),
        (f"containerd-{versions.containerd}", "containerd"),
        (etcd, "etcd"),
    )


def test_real_programs_answer_what_the_last_step_asks(asked):
    """kubeadm, kubelet, containerd and etcd themselves say the versions that a build is asked to end with."""
    said = asked(V136, programs(*_of(V136)))

    assert f"Kubernetes v{V136.kubernetes}" in said


@pytest.mark.parametrize("line", [line for line in RELEASES if line != "1.36"])
def test_programs_of_another_release_are_not_taken(asked, line):
    """An image with another minor's kubelet fails its build, with the program's name."""
    found = programs(*_of(V136)) | programs((f"kubernetes-{choose(line).kubernetes}", "kubelet"))

    with pytest.raises(StepError, match=rf"kubelet is not v{V136.kubernetes}"):
        asked(V136, found)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="containerd's store is root's")
def test_the_real_containerd_keeps_what_was_imported(world, lock, tmp_path):
    """An image that was fetched by its digest lies in the store under its name, unpacked and pinned."""
    folder, root = tmp_path / "programs", tmp_path / "root"
    release = f"containerd-{V136.containerd}"
    found = programs(*((release, name) for name in ("containerd", "containerd-shim-runc-v2", "ctr")))
    name = "registry.k8s.io/pause:3.10.2"
    _fetch(name, lock, tmp_path)
    for path in (root / "usr/bin", root / "etc", folder / "bin"):
        path.mkdir(parents=True, exist_ok=True)
    for program in (
        "aws-iam-authenticator", "ecr-credential-provider", "etcd", "etcdctl", "etcdutl", "kubeadm", "kubectl",
        "kubelet", "runc",
    ):  # fmt: skip
        (folder / "bin" / program).write_text("#!/bin/sh\n")
    for program, path in found.items():
        (folder / "bin" / program).symlink_to(path)
    done = subprocess.run(["sh", IMAGE / "install", folder, root], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    listed = _ask(root, tmp_path, "images", "ls", f"name=={name}")
    assert name in listed
    assert "io.cri-containerd.pinned=pinned" in listed
    assert len(_ask(root, tmp_path, "snapshots", "ls").splitlines()) == 2


def _fetch(name, lock, folder):
    plan = {
        "architecture": "amd64",
        "files": [],
        "images": [{"name": name, "digest": lock.images[name], "registry": registry_of(name, lock.registry)}],
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, IMAGE / "fetch", folder / "plan.json", folder / "programs"]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "programs/SHA256SUMS").unlink()


def _ask(root, folder, *question):
    """Ask the store as the node's own containerd would find it."""
    address = folder / "ask.sock"
    config = folder / "ask.toml"
    left_out = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]
    config.write_text(f"version = 2\ndisabled_plugins = {json.dumps(left_out)}\n")
    bin_ = root / "usr/local/bin"
    places = (
        "--root",
        root / "var/lib/containerd",
        "--state",
        folder / "ask",
        "--address",
        address,
        "--config",
        config,
    )
    with subprocess.Popen([bin_ / "containerd", *places], stderr=subprocess.DEVNULL) as process:
        try:
            command = [bin_ / "ctr", "--address", address, "--namespace", "k8s.io", *question]
            for _ in range(100):
                done = subprocess.run(command, check=False, capture_output=True, text=True)
                if done.returncode == 0:
                    return done.stdout
                time.sleep(0.05)
            raise AssertionError(done.stderr)
        finally:
            process.terminate()
