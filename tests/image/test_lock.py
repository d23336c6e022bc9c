"""The lock: every sum is a publisher's, or there is no lock."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager

import pytest

from kubecfn.errors import FileError, KubecfnError
from kubecfn.image.lock import every_release, make_lock, read_lock, write_lock
from kubecfn.image.programs import ARCHITECTURES, WHEELS, container_images, downloads
from kubecfn.image.publishers import Web, sum_of, wheel_of
from kubecfn.versions import RELEASES, choose

SUM, OTHER = "a" * 64, "b" * 64
V136 = choose("1.36")


@contextmanager
def without(world, path, data=None):
    """Take away what a publisher has, or put something else there."""
    kept = world.files.pop(path)
    if data is not None:
        world.files[path] = data
    try:
        yield
    finally:
        world.files[path] = kept


def path_of(world, name, what="sums", architecture="x86_64"):
    one = next(one for one in downloads(V136, architecture, world.publishers) if one.name == name)
    return getattr(one, what).removeprefix(world.base)


def made(world, **more):
    return make_lock([V136], Web(sleep=lambda _: None), world.publishers, **more)


def test_every_file_is_locked_with_the_sum_of_its_bytes(world, lock):
    """What publishers say of every file and architecture is in the lock, with the place where they say it."""
    wanted = [one for architecture in ARCHITECTURES for one in downloads(V136, architecture, world.publishers)]

    assert {one.key for one in wanted} == set(lock.files)
    for one in wanted:
        locked = lock.files[one.key]
        assert locked.sha256 == hashlib.sha256(world.at(locked.url)).hexdigest()
        assert locked.sums == one.sums


def test_images_are_locked_by_the_registrys_digest(world, lock):
    """A container image is locked by the digest of the index over its architectures, asked for with a token."""
    assert lock.images == world.images
    assert set(lock.images) == set(container_images(V136))


def test_the_table_names_every_minor():
    """Every minor of the version table can be locked, each with its own images."""
    releases = every_release()

    assert [one.kubernetes.line for one in releases] == list(RELEASES)
    assert all(f"registry.k8s.io/kube-apiserver:v{one.kubernetes}" in container_images(one) for one in releases)


def test_the_files_of_two_minors_are_asked_for_once(world):
    """What two minors share is locked once."""
    world.asked.clear()
    made(world)

    sums = [one for one in world.asked if one.startswith("GET") and "/token" not in one]
    assert len(sums) == len(set(sums))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{SUM}\n", SUM),
        (SUM, SUM),
        (f"{SUM}  runc.amd64\n{OTHER}  runc.arm64\n", SUM),
        (f"{SUM} *./dist/runc.amd64\n", SUM),
        (
            f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{SUM}  runc.amd64\n-----BEGIN PGP SIGNATURE-----\n",
            SUM,
        ),
        (f"{SUM}  runc.amd64\n{SUM}  runc.amd64\n", SUM),
    ],
)
def test_publishers_forms_are_read(text, says):
    """Each form that a publisher uses names the file's SHA-256."""
    assert sum_of(text, "runc.amd64", "https://x/sums") == says


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>Not here</html>",
        f"{OTHER}  runc.arm64\n",
        f"{OTHER}  other-runc.amd64\n",
        f"{SUM}  runc.amd64\n{OTHER}  runc.amd64\n",
        f"{SUM[:40]}  runc.amd64\n",
        f"{SUM} {OTHER}\n",
    ],
)
def test_what_says_nothing_of_a_file_is_refused(text):
    """Neither a web page nor another file's sum, nor two sums, is taken for a file's SHA-256."""
    with pytest.raises(KubecfnError, match=r"SHA-256 of runc\.amd64"):
        sum_of(text, "runc.amd64", "https://x/sums")


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"urls": []}',
        json.dumps({"urls": [{"filename": "a-py3-none-any.whl", "url": "u", "digests": {}}]}),
    ],
)
def test_an_index_without_a_wheel_is_refused(text):
    """A release without a plain Python wheel and its SHA-256 locks nothing."""
    with pytest.raises(KubecfnError, match="no wheel"):
        wheel_of(text, "https://pypi.org/pypi/six/1/json")


def test_a_publisher_without_a_sum_ends_it(world):
    """A sum file that is not there is an error that names it, not a lock without it."""
    with without(world, path_of(world, "kubelet")), pytest.raises(KubecfnError, match=r"kubelet\.sha256 \(404\)"):
        made(world)


def test_a_file_is_looked_for_under_its_other_name(world):
    """Where a publisher names an archive after one of two tags, the other's is taken when the first is not there."""
    one = next(one for one in downloads(V136, "x86_64", world.publishers) if one.name == "flannel-plugin")
    url, sums = (each.removeprefix(world.base) for each in one.otherwise)
    told = f"{SUM}  {url.rpartition('/')[2]}\n".encode()
    with without(world, path_of(world, "flannel-plugin")):
        with pytest.raises(KubecfnError, match=r"v1\.9\.1\.tgz\.sha256 \(404\)"):
            made(world)
        world.files[sums] = told
        locked = made(world).files[one.key]
    del world.files[sums]

    assert (locked.url, locked.sha256) == (f"{world.base}{url}", SUM)


def test_a_registry_without_the_image_ends_it(world):
    """An image that the registry does not have is an error that names where it was looked for."""
    with (
        without(world, "/registry/registry.k8s.io/v2/pause/manifests/3.10.2"),
        pytest.raises(KubecfnError, match=r"pause/manifests/3\.10\.2"),
    ):
        made(world)


@pytest.mark.parametrize("digest", [None, "sha256:short"])
def test_a_registry_that_says_no_digest_ends_it(world, digest):
    """An answer without the image's digest locks nothing."""
    path = "/registry/registry.k8s.io/v2/pause/manifests/3.10.2"
    kept = world.digests.pop(path)
    if digest:
        world.digests[path] = digest
    try:
        with pytest.raises(KubecfnError, match=r"without the digest of registry\.k8s\.io/pause:3\.10\.2"):
            made(world)
    finally:
        world.digests[path] = kept


def test_what_passes_is_tried_again(world):
    """A publisher's passing failure costs a wait; only one that lasts is told."""
    path = path_of(world, "runc")
    waits = []
    world.failures[path] = [503, 429]
    make_lock([V136], Web(sleep=waits.append), world.publishers)
    assert waits == [1, 2]

    world.failures[path] = [503, 503, 503]
    with pytest.raises(KubecfnError, match="answers 503"):
        made(world)


def test_nobody_there_is_said_with_the_host():
    """Without a network the error names the host and says that nothing was written."""

    def cut(method, url, headers):
        raise OSError(101, "Network is unreachable")

    with pytest.raises(KubecfnError, match=r"dl\.k8s\.io cannot be reached") as error:
        Web(cut, lambda _: None).text("https://dl.k8s.io/release/v1/x.sha256")
    assert "nothing was written" in error.value.remedy


def test_progress_counts_to_the_end(world):
    """Every file and image is one step of what is reported."""
    told = []
    lock = made(world, report=told.append)

    assert [one.done for one in told] == list(range(1, len(lock.files) + len(lock.images) + 1))
    assert {one.total for one in told} == {len(told)}


def test_a_written_lock_is_read_back(lock, tmp_path):
    """What is written is what is read, and the same lock is the same bytes."""
    write_lock(lock, tmp_path / "lock.json")
    again = read_lock(tmp_path / "lock.json")

    assert again == lock
    assert again.text() == lock.text()
    assert list(json.loads(lock.text())["files"]) == sorted(lock.files)


def test_without_a_lock_nothing_is_baked(tmp_path):
    """A missing lock names the command that makes it."""
    with pytest.raises(FileError, match="nothing is baked") as error:
        read_lock(tmp_path / "image-lock.json")
    assert "make image-lock" in error.value.remedy


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data.update(format=2), "format 2"),
        (lambda data: data.pop("files"), "not a lock file"),
        (lambda data: data["versions"].pop("runc"), "no version of runc"),
        (lambda data: data["images"].update({"registry.k8s.io/pause:3.10.2": "latest"}), "no digest"),
        (lambda data: next(iter(data["files"].values())).update(sha256="0"), "no SHA-256"),
    ],
)
def test_a_damaged_lock_is_refused(lock, tmp_path, change, says):
    """A lock that was edited into something else is refused with what is wrong in it."""
    data = json.loads(lock.text())
    change(data)
    path = tmp_path / "lock.json"
    path.write_text(json.dumps(data))

    with pytest.raises(FileError, match=says):
        read_lock(path)


def test_wheels_run_on_the_nodes_python():
    """boto3 comes with everything it needs."""
    assert {"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"} == set(WHEELS)
