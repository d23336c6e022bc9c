"""The two programs of an image, run as they are: what is fetched is checked, what is laid is all that a node needs."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from kubecfn.image.document import _program
from kubecfn.image.programs import registry_of

IMAGE = Path(__file__).parents[2] / "image"
NEEDED = (
    "aws-iam-authenticator", "containerd", "containerd-shim-runc-v2", "ctr", "ecr-credential-provider", "etcd",
    "etcdctl", "etcdutl", "kubeadm", "kubectl", "kubelet", "runc",
)  # fmt: skip
CTR = """#!/bin/sh
echo "$@" >> "${0%/usr/local/bin/ctr}/var/log/ctr.asked"
case "$*" in *"images ls"*) echo registry.k8s.io/pause:3.10.2;; *import*bad.tar) echo "no image" ; exit 1;; esac
"""


def run(*command, **environment):
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "KUBECFN_PATIENCE": "0", **environment},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def plan(world, lock, tmp_path):
    """A plan as the component has it, of what is quick to fetch."""

    def make(*names, images=(), **changes):
        files = []
        for key, one in lock.files.items():
            name = key.split()[0]
            if name in names and "arm64" not in key:
                entry = {"url": one.url, "sha256": one.sha256, "into": f"bin/{name}", **changes}
                files.append(entry)
        listed = [
            {"name": name, "digest": lock.images[name], "registry": registry_of(name, lock.registry)} for name in images
        ]
        path = tmp_path / "plan.json"
        path.write_text(json.dumps({"architecture": "amd64", "files": files, "images": listed}))
        return path

    return make


def test_fetch_runs_on_the_nodes_python():
    """Amazon Linux 2023's own Python is 3.9: nothing newer is used."""
    ast.parse(_program("fetch"), feature_version=(3, 9))


def test_what_is_fetched_is_what_was_locked(world, plan, tmp_path):
    """A program whose SHA-256 is the lock's arrives, may be run, and stands in the sums that install checks."""
    code, said = run(sys.executable, IMAGE / "fetch", plan("runc", "kubelet"), tmp_path / "got")

    assert (code, (tmp_path / "got/bin/kubelet").stat().st_mode & 0o777) == (0, 0o755), said
    sums = dict(reversed(line.split()) for line in (tmp_path / "got/SHA256SUMS").read_text().splitlines())
    assert sums == {
        f"bin/{name}": hashlib.sha256((tmp_path / "got/bin" / name).read_bytes()).hexdigest()
        for name in ("runc", "kubelet")
    }


def test_what_is_not_what_was_locked_is_not_laid(plan, tmp_path):
    """Other bytes under a locked URL end the fetch and leave nothing of them behind."""
    code, said = run(sys.executable, IMAGE / "fetch", plan("runc", sha256="0" * 64), tmp_path / "got")

    assert code == 1
    assert "it is not what was locked" in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("got/**/*"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"into": "../out/x"}, "unsafe path"),
        ({"into": "bin", "members": {"bin/nothing": "nothing"}}, "runc.amd64 is no archive"),
    ],
)
def test_what_cannot_be_laid_is_said(plan, tmp_path, changes, says):
    """A path that leaves the folder and an archive that is none end the fetch in one sentence."""
    code, said = run(sys.executable, IMAGE / "fetch", plan("runc", **changes), tmp_path / "got")

    assert code == 1
    assert (len(said.splitlines()), says in said) == (1, True), said
    assert not (tmp_path / "out").exists()


def test_an_image_arrives_as_nodes_name_it(world, lock, plan, tmp_path):
    """A container image is read by its digest, for one architecture, and carries the name that nodes ask for."""
    name = "registry.k8s.io/pause:3.10.2"
    code, said = run(sys.executable, IMAGE / "fetch", plan(images=[name]), tmp_path / "got")

    assert code == 0, said
    with tarfile.open(next((tmp_path / "got/images").iterdir())) as archive:
        files = {one.name: archive.extractfile(one).read() for one in archive.getmembers()}
    (listed,) = json.loads(files.pop("index.json"))["manifests"]
    assert listed["annotations"]["io.containerd.image.name"] == name
    blobs = {path: data for path, data in files.items() if path.startswith("blobs/")}
    assert all(path.rpartition("/")[2] == hashlib.sha256(data).hexdigest() for path, data in blobs.items())
    manifest = json.loads(blobs["blobs/" + listed["digest"].replace(":", "/")])
    config = json.loads(blobs["blobs/" + manifest["config"]["digest"].replace(":", "/")])
    assert config["architecture"] == "amd64"


def test_a_registry_that_answers_something_else_is_not_believed(world, lock, plan, tmp_path):
    """A layer that is not what its digest says ends the fetch."""
    name = "registry.k8s.io/pause:3.10.2"
    path = next(one for one in world.files if "/pause/blobs/" in one)
    kept, world.files[path] = world.files[path], b"something else"
    try:
        code, said = run(sys.executable, IMAGE / "fetch", plan(images=[name]), tmp_path / "got")
    finally:
        world.files[path] = kept

    assert (code, "it is not what was locked" in said) == (1, True)


@pytest.fixture
def folder(tmp_path):
    """A folder of programs that do nothing, but for those that install calls."""
    made = tmp_path / "programs"
    for name in NEEDED:
        _put(made / "bin" / name, "#!/bin/sh\n")
    _put(made / "bin/containerd", "#!/bin/sh\nexec sleep 60\n")
    _put(made / "bin/ctr", CTR)
    _put(made / "cni/bridge", "#!/bin/sh\n")
    _put(made / "python/boto3/__init__.py", "__version__ = '1'\n")
    return made


@pytest.fixture
def root(tmp_path):
    """A root file system with what install looks for."""
    made = tmp_path / "root"
    for path in ("etc", "usr/bin", "var/log"):
        (made / path).mkdir(parents=True)
    (made / "usr/bin/python3.9").touch()
    (made / "usr/bin/python3").symlink_to("python3.9")
    (made / "usr/bin/python3.12").touch()
    (made / "etc/fstab").write_text("UUID=1 / xfs defaults 0 0\n/swap none swap sw 0 0\n# a swap file\n")
    return made


def _put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _sign(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def install(folder, *roots):
    return run("sh", IMAGE / "install", folder, *roots)


def test_a_root_is_made_a_nodes(folder, root):
    """Programs, plugins, packages, kernel settings and folders lie where nodes look, and nothing wakes up by itself."""
    _sign(folder)
    code, said = install(folder, root)

    assert (code, said) == (0, "")
    assert {path.name for path in (root / "usr/local/bin").iterdir()} == set(NEEDED)
    assert all(os.access(root / "usr/local/bin" / name, os.X_OK) for name in NEEDED)
    assert os.access(root / "opt/cni/bin/bridge", os.X_OK)
    assert (root / "usr/local/lib/python3.9/site-packages/boto3/__init__.py").is_file()
    settings = dict(line.split(" = ") for line in (root / "etc/sysctl.d/90-kubecfn.conf").read_text().splitlines())
    assert settings["net.ipv4.ip_forward"] == "1"
    assert "br_netfilter" in (root / "etc/modules-load.d/90-kubecfn.conf").read_text().split()
    assert str((root / "etc/systemd/system/dnf-automatic.timer").readlink()) == "/dev/null"
    assert (root / "etc/fstab").read_text() == "UUID=1 / xfs defaults 0 0\n# a swap file\n"
    assert stat.S_IMODE((root / "var/lib/etcd").stat().st_mode) == 0o700
    assert (root / "usr/local/share/kubecfn/image.sha256").read_text() == (folder / "SHA256SUMS").read_text()


def test_installing_twice_changes_nothing(folder, root):
    """A step that Image Builder repeats finds its work done."""
    assert install(folder, root)[0] == 0
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert install(folder, root) == (0, "")

    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_debian_has_its_own_place_for_packages(folder, root):
    """On Debian boto3 lies where Debian's Python looks: that to which python3 points."""
    (root / "etc/debian_version").write_text("12\n")
    (root / "usr/bin/python3").unlink()
    assert install(folder, root)[0] == 1
    (root / "usr/bin/python3").symlink_to("python3.11")
    assert install(folder, root)[0] == 0

    assert (root / "usr/local/lib/python3.11/dist-packages/boto3/__init__.py").is_file()


def test_what_the_system_has_need_not_be_brought(folder, root):
    """A distribution's own runc is as good as one in the folder; without either nothing is laid."""
    (folder / "bin/runc").unlink()
    code, said = install(folder, root)
    assert (code, said.startswith("install: there is no runc in")) == (1, True)
    assert not (root / "usr/local").exists()

    (root / "usr/sbin").mkdir()
    (root / "usr/sbin/runc").touch()
    assert install(folder, root)[0] == 0


def test_a_layer_counts_what_it_is_laid_upon(folder, root, tmp_path):
    """On a layer the programs and the Python of the file system beneath count, and nothing is written there."""
    (folder / "bin/runc").unlink()
    (root / "usr/bin/runc").touch()
    (tmp_path / "layer").mkdir()
    before = sorted(root.rglob("*"))
    assert install(folder, tmp_path / "layer")[0] == 1
    assert install(folder, tmp_path / "layer", root) == (0, "")

    assert (tmp_path / "layer/usr/local/lib/python3.9/site-packages/boto3").is_dir()
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("path", ["bin/kubelet", "python/boto3/__init__.py"])
def test_what_changed_since_it_was_fetched_is_not_laid(folder, root, path):
    """A file that is not what the sums say ends it before anything is laid."""
    _sign(folder)
    with (folder / path).open("a") as file:
        file.write("# more\n")
    code, said = install(folder, root)

    assert (code, "is not what" in said) == (1, True)
    assert not (root / "usr/local").exists()


def test_what_nobody_vouches_for_is_not_laid(folder, root):
    """A file that the sums do not name ends it, also when its name begins like another's."""
    _sign(folder)
    _put(folder / "bin/etc", "#!/bin/sh\n")
    code, said = install(folder, root)

    assert (code, "says nothing of bin/etc" in said) == (1, True)


def test_images_go_into_the_nodes_store(folder, root):
    """Every archive is imported where kubelets look, and kept from their collection of unused images."""
    _put(folder / "images/pause.tar", "")
    code, said = install(folder, root)

    assert (code, said) == (0, "")
    asked = [line.split(" ", 2)[2] for line in (root / "var/log/ctr.asked").read_text().splitlines()]
    assert f"--namespace k8s.io images import {folder}/images/pause.tar" in asked
    assert "--namespace k8s.io images label registry.k8s.io/pause:3.10.2 io.cri-containerd.pinned=pinned" in asked


@pytest.mark.parametrize(
    ("program", "text", "says"),
    [
        ("ctr", CTR, "bad.tar cannot be imported: no image"),
        ("containerd", "#!/bin/sh\necho no room left >&2\nexit 1\n", "containerd does not start: no room left"),
    ],
)
def test_an_image_that_cannot_be_imported_ends_it(folder, root, program, text, says):
    """What containerd says of an image, or of itself, is the reason that is given."""
    _put(folder / "images/bad.tar", "")
    _put(folder / "bin" / program, text if program == "containerd" else CTR)
    if program == "containerd":
        _put(folder / "bin/ctr", "#!/bin/sh\nexit 1\n")
    code, said = install(folder, root)

    assert (code, says in said) == (1, True), said


@pytest.mark.parametrize("arguments", [["/", "/nowhere"], ["/", "/", "/nowhere"]])
def test_a_root_that_is_not_there_is_said(arguments):
    """A root or a base that is no folder is named, and nothing is made of it."""
    assert run("sh", IMAGE / "install", *arguments) == (1, "install: /nowhere is no folder\n")


@pytest.mark.parametrize("arguments", [[], ["/nowhere"]])
def test_without_a_folder_it_says_how_it_is_called(arguments):
    """Wrong use ends in one sentence."""
    code, said = run("sh", IMAGE / "install", *arguments)

    assert (code, said.startswith("install: usage: install FOLDER [ROOT [BASE]]")) == (1, True)


def test_an_archive_is_laid_in_memory_only(tmp_path):
    """An archive's programs are taken by name: whatever else it holds never touches the disk."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("bin/ctr", "../../evil", "bin/more"):
            member = tarfile.TarInfo(name)
            member.size = 2
            archive.addfile(member, io.BytesIO(b"ok"))
    (tmp_path / "a.tar.gz").write_bytes(packed.getvalue())
    entry = {
        "url": (tmp_path / "a.tar.gz").as_uri(),
        "sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
        "into": "bin",
        "members": {"bin/ctr": "ctr"},
    }
    (tmp_path / "plan.json").write_text(json.dumps({"architecture": "amd64", "files": [entry], "images": []}))
    code, said = run(sys.executable, IMAGE / "fetch", tmp_path / "plan.json", tmp_path / "got")

    assert code == 0, said
    assert [path.name for path in (tmp_path / "got/bin").iterdir()] == ["ctr"]
