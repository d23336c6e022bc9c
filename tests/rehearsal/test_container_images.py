"""Container images made of files here are what container runtimes read, and instances share them without sharing a change."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from tests.rehearsal.kubernetes import store
from tests.rehearsal.kubernetes.archive import Container, write
from tests.rehearsal.kubernetes.containers import containers


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program, as it was built."""
    made = tmp_path / "program"
    made.write_bytes(b"\x7fELF and more")
    made.chmod(0o600)
    return made


def test_an_archive_names_its_image_and_proves_its_layer(program: Path, tmp_path: Path) -> None:
    """The digest in the configuration is that of the layer, and the manifest leads to both."""
    container = Container(
        "registry.example.com/one:1", {"/bin/one": program}, ("/bin/one",), "65532", {"/bin/two": "one"}
    )
    write(container, tmp_path / "one.tar")

    with tarfile.open(tmp_path / "one.tar") as archive:
        [manifest] = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]  # it is a file
        configuration = archive.extractfile(manifest["Config"]).read()  # type: ignore[union-attr]
        layer = archive.extractfile(manifest["Layers"][0]).read()  # type: ignore[union-attr]
    told = json.loads(configuration)
    assert manifest["RepoTags"] == ["registry.example.com/one:1"]
    assert manifest["Config"] == f"{hashlib.sha256(configuration).hexdigest()}.json"
    assert told["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert (told["config"]["Entrypoint"], told["config"]["User"]) == (["/bin/one"], "65532")


def test_whoever_built_a_program_everybody_may_run_it(program: Path, tmp_path: Path) -> None:
    """In the image a program is root's and anyone's to run; its folders exist, links lead on, and nothing is left beside."""
    write(Container("one:1", {"/opt/bin/one": program}, links={"/bin/two": "../opt/bin/one"}), tmp_path / "one.tar")

    with tarfile.open(tmp_path / "one.tar") as archive:
        name = next(one for one in archive.getnames() if one.endswith("layer.tar"))
        archive.extract(name, tmp_path / "out", filter="data")
    with tarfile.open(tmp_path / "out" / name) as layer:
        entries = {one.name: one for one in layer.getmembers()}
    assert (entries["opt/bin/one"].mode, entries["opt/bin/one"].uid) == (0o755, 0)
    assert entries["opt/bin"].isdir()
    assert entries["bin/two"].linkname == "../opt/bin/one"
    assert not list(tmp_path.glob("*.layer"))


def test_the_same_files_are_the_same_archive_and_another_file_another(program: Path, tmp_path: Path) -> None:
    """Nothing of the moment goes into an image; what it is made of does, into its recipe too."""
    container = Container("one:1", {"/one": program})
    for name in ("a", "b"):
        write(container, tmp_path / name)
    before = container.recipe
    program.write_bytes(b"another")
    write(container, tmp_path / "c")

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()
    assert container.recipe != before


def test_instances_share_layers_and_never_a_database(tmp_path: Path) -> None:
    """What is only read is one file for all; what containerd writes to is each instance's own."""
    golden = tmp_path / "golden"
    (golden / "content").mkdir(parents=True)
    (golden / "content" / "layer").write_text("read")
    (golden / "meta.db").write_text("written")
    (golden / "link").symlink_to("/nowhere")
    store.lay(golden, tmp_path / "one")

    assert (tmp_path / "one/content/layer").samefile(golden / "content/layer")
    (tmp_path / "one/meta.db").write_text("changed")
    assert (golden / "meta.db").read_text() == "written"
    assert (tmp_path / "one/link").is_symlink()


def test_an_image_whose_program_is_not_built_is_not_made(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name without its program would be an image that cannot run."""
    monkeypatch.setattr("tests.rehearsal.kubernetes.containers.closure", lambda *_: {})
    needed = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "pause")
    names = {"pause": "pause:3", "coredns": "coredns:1"}

    made = containers(dict.fromkeys(needed, program), "1.36.3", names, tmp_path, program)
    assert {one.name for one in made} == {
        *(f"registry.k8s.io/{name}:v1.36.3" for name in needed if name != "pause"),
        "pause:3",
    }
    more = containers(dict.fromkeys((*needed, "coredns"), program), "1.36.3", names, tmp_path, program)
    assert {one.name for one in more} - {one.name for one in made} == {"coredns:1"}
