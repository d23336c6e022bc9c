import gzip
import hashlib
import io
import os
import random
import tarfile
import zipfile
import zlib
from types import SimpleNamespace

import pytest

from kubecfn import artifacts
from kubecfn.artifacts import archive, build, functions, sources
from kubecfn.artifacts.deflate import deflate
from kubecfn.errors import FileError

FACTS = artifacts.NodeFacts("payments", "payments.example.com", "1.36.3", "3.6.5", 300)
KEY = SimpleNamespace(data=b"-----BEGIN PRIVATE KEY-----", mode=0o600)
CERTIFICATE = SimpleNamespace(data=b"-----BEGIN CERTIFICATE-----", mode=0o644)
FILES = {"etc/kubernetes/pki/ca.crt": CERTIFICATE, "etc/kubernetes/pki/ca.key": KEY}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of the trees that artifacts are made from, to be touched and changed."""
    package = tmp_path / "checkout" / "kubecfn"
    for source, target in (
        (sources.PACKAGE.parent / "lambdas", package.parent / "lambdas"),
        (sources.PACKAGE.parent / "userdata", package.parent / "userdata"),
        *((sources.PACKAGE / part, package / part) for part in ("etcd", "kubernetes", "node")),
    ):
        for file in source.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                copy = target / file.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
    (package / "__init__.py").write_bytes((sources.PACKAGE / "__init__.py").read_bytes())
    for module in (sources, build, functions):
        monkeypatch.setattr(module, "PACKAGE", package)
    return package.parent


def everything(files=FILES):
    return (
        artifacts.controller_bundle(FACTS, files),
        artifacts.worker_bundle(FACTS, {}),
        artifacts.etcd_client(b"authority", b"certificate", b"-----BEGIN PRIVATE KEY-----"),
        *artifacts.lambda_zips(),
    )


def names(made):
    return [artifact.file_name for artifact in made]


def members(bundle):
    with tarfile.open(fileobj=io.BytesIO(bundle.data)) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_the_same_inputs_give_the_same_bytes_wherever_and_whenever_they_are_packed(checkout, tmp_path, monkeypatch):
    """A name depends on paths, contents and the rule for modes: not on a folder, an umask, a time or a mode."""
    first = everything()
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o077)
    for file in checkout.rglob("*"):
        os.utime(file, (1, 1))
        file.chmod(0o700)

    second = everything(dict(reversed(FILES.items())))
    os.umask(before)

    assert [one.data for one in first] == [one.data for one in second]


def test_what_lies_in_the_checkout_gives_the_same_bytes_as_its_copy(checkout, monkeypatch):
    """A wheel's copy and a checkout name the same artifacts alike."""
    copied = names(everything())
    monkeypatch.undo()

    assert copied == names(everything())


@pytest.mark.parametrize(
    "path",
    ["lambdas/etcd_discovery/__pycache__/records.pyc", "userdata/common/.DS_Store", "kubecfn/etcd/__pycache__/x.py"],
)
def test_caches_and_hidden_files_are_left_out(checkout, path):
    """What a run or an editor leaves behind is no part of a node or a function."""
    before = names(everything())
    (checkout / path).parent.mkdir(exist_ok=True)
    (checkout / path).write_bytes(b"x")

    assert before == names(everything())


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("userdata/common/usr/local/lib/kubecfn/agent/boot.py", {"controller", "worker"}),
        ("lambdas/etcd_discovery/records.py", {"etcd_discovery"}),
        ("lambdas/hooks/leaving.py", {"controller_lifecycle", "worker_lifecycle"}),
        ("kubecfn/etcd/report.py", {"controller", "worker", "controller_lifecycle", "etcd_backup"}),
        ("kubecfn/__init__.py", {"controller", "worker", *artifacts.FUNCTIONS}),
        ("userdata/bootstrap.py", set()),
    ],
)
def test_a_changed_byte_renames_exactly_what_holds_it(checkout, path, changed):
    """A hash changes when, and only when, something inside changes; else a change would roll what it does not touch."""
    before = {one.name: one.sha256 for one in everything()}
    with (checkout / path).open("a") as file:
        file.write("\nmore = 1\n")

    after = {one.name: one.sha256 for one in everything()}

    assert changed == {name for name in after if after[name] != before[name]}


def test_a_name_is_the_hash_of_the_bytes_and_the_key_and_parameter_follow_from_it():
    """Whoever downloads an artifact can check it against its own name."""
    made = {one.name: one for one in everything()}

    assert all(one.sha256 == hashlib.sha256(one.data).hexdigest() for one in made.values())
    discovery, controller = made["etcd_discovery"], made["controller"]
    assert discovery.key("payments") == f"payments/lambdas/etcd_discovery-{discovery.sha256}.zip"
    assert controller.key("payments") == f"payments/controller/controller-{controller.sha256}.tar.gz"
    client = made["etcd-client"]
    assert client.key("payments") == f"payments/functions/etcd-client-{client.sha256}.json"
    assert [one.parameter for one in made.values()] == [
        "ControllerBundleSha256",
        "WorkerBundleSha256",
        "EtcdClientSha256",
        "ControllerLifecycleSha256",
        "EtcdBackupSha256",
        "EtcdDiscoverySha256",
        "WorkerLifecycleSha256",
    ]


def test_a_bundle_is_laid_out_as_the_nodes_disk_and_owned_by_root():
    """What runs is executable, what is a key is private, and every name is below the root."""
    found = members(artifacts.controller_bundle(FACTS, FILES))

    modes = {name: member.mode for name, member in found.items()}
    assert modes["usr/local/bin/kubecfn-agent"] == 0o755
    assert modes["usr/local/lib/kubecfn/agent/boot.py"] == 0o644
    assert modes["usr/local/lib/kubecfn/kubecfn/etcd/names.py"] == 0o644
    assert modes["etc/kubernetes/pki/ca.key"] == 0o600
    assert all(member.isreg() for member in found.values())
    assert {(0, 0, 0, "", "")} == {(m.uid, m.gid, m.mtime, m.uname, m.gname) for m in found.values()}
    assert not [name for name in found if name.startswith("/") or ".." in name or "__pycache__" in name]


def test_only_what_holds_keys_is_secret():
    """Workers hold no key at all, so nobody has to guard what they fetch."""
    assert [one.name for one in everything() if one.secret] == ["controller", "etcd-client"]
    assert not [name for name in members(artifacts.worker_bundle(FACTS, {})) if "pki" in name]


@pytest.mark.parametrize("file", [KEY, SimpleNamespace(data=b"token", mode=0o600)])
def test_a_private_file_is_refused_in_a_workers_bundle(file):
    """A key that slips into the wrong mapping never reaches a bucket that workers may read."""
    with pytest.raises(ValueError, match=r"etc/x is private"):
        artifacts.worker_bundle(FACTS, {"etc/x": file})


def test_a_path_cannot_be_in_an_archive_twice():
    """Two files of one name would mean that the order of packing decides what a node runs."""
    with pytest.raises(ValueError, match=r"etc/kubecfn/node.json is in the archive twice"):
        artifacts.controller_bundle(FACTS, {"etc/kubecfn/node.json": KEY})


@pytest.mark.parametrize("size", [0, 1, 0xFFFF, 0xFFFF + 1, 200_000])
def test_a_stored_gzip_is_read_back_by_any_gzip(size):
    """Our own framing is plain RFC 1952, at every boundary of its blocks."""
    data = bytes(index % 251 for index in range(size))

    assert gzip.decompress(archive._gzip(data)) == data


def several():
    """Return data that a code may stumble over: nothing, one byte, runs of every length, noise, trees too deep."""
    dice = random.Random(4)
    fibonacci = [1, 1]
    while len(fibonacci) < 22:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    deep = [byte for byte, count in enumerate(fibonacci) for _ in range(count)]
    dice.shuffle(deep)
    yield from (b"", b"a", b"ab", b"abcabc", b"a" * 1000, bytes(range(256)) * 3, bytes(deep))
    yield from (b"x" + b"a" * length + b"y" for length in range(1, 300))
    yield b"far apart" + dice.randbytes(32_768 - 9) + b"far apart" + b"!" + b"far apart"
    for size in range(200):
        letters = dice.randrange(1, 257)
        yield bytes(dice.randrange(letters) for _ in range(size))


def test_what_is_deflated_is_read_back_by_any_inflate():
    """Our own compression is plain RFC 1951, also where codes have one symbol, no distance, or hit their limits."""
    assert all(zlib.decompress(deflate(data), -15) == data for data in several())


def test_deflated_sources_are_about_as_small_as_zlibs():
    """Compression of our own is worth its lines: within a tenth of zlib's best."""
    texts = [file.read_bytes() for file in (sources.PACKAGE / "etcd").glob("*.py")]

    assert sum(len(deflate(one)) for one in texts) <= 1.1 * sum(len(zlib.compress(one, 9)) for one in texts)


def test_a_functions_zip_is_plain_and_small():
    """A function finds its own folder at the top, readable by any user, within 40 KB."""
    for function in artifacts.lambda_zips():
        with zipfile.ZipFile(io.BytesIO(function.data)) as found:
            inside = found.namelist()
            assert found.testzip() is None
            assert {0o100644} == {info.external_attr >> 16 for info in found.infolist()}
        assert f"{function.name}/handler.py" in inside
        assert len(function.data) <= 40 * 1024
        assert inside == sorted(inside)


def test_every_function_folder_is_packed():
    """A new function that nobody lists would be deployed by nobody."""
    folders = {file.parent.name for file in artifacts.data_root("lambdas").glob("*/handler.py")}

    assert folders == set(artifacts.FUNCTIONS)


def test_trees_are_found_inside_an_installed_package_first(checkout, monkeypatch):
    """A wheel carries its trees in kubecfn/_data; a checkout has them at its root; without both there is one clear error."""
    assert artifacts.data_root("lambdas") == checkout / "lambdas"
    carried = checkout / "kubecfn/_data/lambdas"
    carried.mkdir(parents=True)
    assert artifacts.data_root("lambdas") == carried

    monkeypatch.setattr(sources, "PACKAGE", checkout / "elsewhere" / "kubecfn")
    with pytest.raises(FileError, match=r"The userdata folder is neither in .* Install kubecfn again"):
        artifacts.data_root("userdata")
