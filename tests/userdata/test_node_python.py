import ast
import configparser
import os
import subprocess
from pathlib import Path

import pytest

import kubecfn.etcd
from kubecfn.artifacts import data_root
from kubecfn.artifacts.build import ON_NODES as ON_NODES_TOO
from kubecfn.artifacts.sources import PACKAGE

ON_NODES = [
    *data_root("userdata").rglob("*.py"),
    *data_root("userdata").rglob("usr/local/bin/*"),
    *(
        file
        for part, names in ON_NODES_TOO.items()
        for file in (PACKAGE / part).glob("*.py")
        if not names or file.name in names
    ),
]
# Amazon Linux 2023 User Guide, "Python in AL2023": /usr/bin/python3 is 3.9 and stays so.
NODES_PYTHON = (3, 9)
# The packages of a controller, each in a folder of its own.
IMPORTED = ("agent", "member", "kubecfn.etcd")


def name_of(file):
    return file.name


@pytest.mark.parametrize("file", ON_NODES, ids=name_of)
def test_what_runs_on_nodes_is_python_39(file):
    """Amazon Linux 2023 brings Python 3.9; newer syntax would stop a node before it could say why."""
    ast.parse(file.read_text(), feature_version=NODES_PYTHON)


def test_newer_syntax_would_be_noticed():
    """The twin of the rule above: the check knows what 3.9 cannot read."""
    with pytest.raises(SyntaxError):
        ast.parse("match x:\n    case 1: pass\n", feature_version=NODES_PYTHON)


def python39():
    """Return a real Python 3.9 where the machine has one."""
    homes = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep)]
    versions = Path.home() / ".pyenv/versions"
    found = [
        *versions.glob("3.9.*/bin/python3.9"),
        *(home / "python3.9" for home in homes if "shims" not in home.parts),
    ]
    return next((file for file in found if file.exists()), None)


@pytest.mark.skipif(python39() is None, reason="this machine has no Python 3.9")
def test_what_runs_on_nodes_is_imported_by_a_real_python_39(tmp_path):
    """Annotations and standard library calls are 3.9's too; boto3 is a stand-in here, for its syntax is not ours."""
    (tmp_path / "botocore").mkdir()
    (tmp_path / "boto3.py").write_text("")
    (tmp_path / "botocore/__init__.py").write_text("")
    (tmp_path / "botocore/config.py").write_text("class Config:\n    def __init__(self, **_): pass\n")
    (tmp_path / "botocore/exceptions.py").write_text(
        "class BotoCoreError(Exception): pass\nclass ClientError(Exception): pass\n"
    )
    libraries = [data_root("userdata") / part / "usr/local/lib/kubecfn" for part in ("common", "controller")]
    package = Path(kubecfn.etcd.__file__).parents[2]
    homes = [libraries[0] / "agent", libraries[1] / "member", package / "kubecfn/etcd"]
    modules = [
        f"{name}.{file.stem}"
        for home, name in zip(homes, IMPORTED, strict=True)
        for file in sorted(home.glob("[!_]*.py"))
    ]
    assert {"agent.main", "member.hands", "kubecfn.etcd.quorum"} <= set(modules)
    program = (
        f"import sys; sys.path[:0] = {[str(tmp_path), *map(str, libraries), str(package)]!r}\n"
        f"import importlib; [importlib.import_module(name) for name in {modules!r}]\n"
        "raise SystemExit(sys.modules['agent.main'].main(['what']))"
    )

    done = subprocess.run([python39(), "-B", "-I", "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (2, "usage: kubecfn-agent run | start JSON POOL\n")


def test_every_ordering_line_of_a_unit_has_its_reason():
    """Whoever changes the order of a boot reads why it is so, in the line above."""
    units = list(data_root("userdata").rglob("*.service"))
    ordering = ("Wants=", "After=", "Before=", "Requires=", "BindsTo=", "PartOf=", "Conflicts=")

    for unit in units:
        explained = False
        for line in unit.read_text().splitlines():
            explained = line.startswith("#") or (explained and line.startswith(ordering))
            assert explained or not line.startswith(ordering), f"{unit.name}: {line}"
    assert sorted(unit.name for unit in units) == [
        "aws-iam-authenticator.service",
        "containerd.service",
        "etcd.service",
        "kubecfn-agent.service",
        "kubelet.service",
    ]


def test_the_unit_starts_the_program_that_the_bundle_brings():
    """systemd, user data and the tree agree on one path and one unit name."""
    common = data_root("userdata") / "common"
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(common / "etc/systemd/system/kubecfn-agent.service")

    program, command = unit["Service"]["ExecStart"].split()
    assert (common / program.lstrip("/")).is_file()
    assert command == "run"
    assert unit["Service"]["Type"] == "exec"
    assert unit["Install"]["WantedBy"] == "multi-user.target"
