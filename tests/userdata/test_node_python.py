import ast
import configparser
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from kubecfn.artifacts import data_root
from kubecfn.artifacts.build import NODE_LIBRARY, NodeFacts, controller_bundle, worker_bundle
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


# What an import leaves in the way of Python 3.9 is found only where all is imported: nothing on a node is left out.
IMPORTING = """
import importlib, pathlib, sys
library = pathlib.Path(sys.argv[1])
files = [file for file in library.rglob("*.py") if file.name != "__init__.py"]
names = [".".join(file.relative_to(library).with_suffix("").parts) for file in files]
for name in names:
    importlib.import_module(name)
print(*sorted(names))
raise SystemExit(sys.modules["agent.main"].main(["what"]))
"""


@pytest.fixture
def stand_ins(tmp_path):
    """A folder with what stands in for boto3, whose syntax is not ours to test."""
    folder = tmp_path / "stand-ins"
    (folder / "botocore").mkdir(parents=True)
    (folder / "boto3.py").write_text("")
    (folder / "botocore/__init__.py").write_text("")
    for name, text in {
        "auth": "class SigV4QueryAuth: pass\n",
        "awsrequest": "class AWSRequest: pass\n",
        "config": "class Config:\n    def __init__(self, **_): pass\n",
        "exceptions": "class BotoCoreError(Exception): pass\nclass ClientError(Exception): pass\n",
    }.items():
        (folder / f"botocore/{name}.py").write_text(text)
    return folder


@pytest.mark.skipif(python39() is None, reason="this machine has no Python 3.9")
@pytest.mark.parametrize(
    ("bundle", "its_own"),
    [
        (controller_bundle, {"member.hands", "controlplane.beside", "controlplane.renewal", "approver.approver"}),
        (worker_bundle, {"worker.service"}),
    ],
    ids=["controller", "worker"],
)
def test_all_of_a_bundles_code_is_imported_by_a_real_python_39(tmp_path, stand_ins, bundle, its_own):
    """From the bundle itself: annotations and library calls are 3.9's, and no module wants one that stays at home."""
    made = bundle(NodeFacts("payments", "payments.example.com", "1.36.3", "3.6.5", 300), {})
    with tarfile.open(fileobj=io.BytesIO(made.data)) as packed:
        packed.extractall(tmp_path / "root", filter="data")
    library = tmp_path / "root" / NODE_LIBRARY
    program = f"import sys; sys.path[:0] = {[str(stand_ins), str(library)]!r}\n{IMPORTING}"

    command = [python39(), "-B", "-I", "-c", program, str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (2, "usage: kubecfn-agent run | start JSON POOL\n")
    common = {"agent.main", "kubeadm.run", "kubecfn.etcd.quorum", "kubecfn.kubernetes.client", "kubecfn.node.here"}
    assert common | its_own <= set(done.stdout.split())


@pytest.mark.skipif(python39() is None, reason="this machine has no Python 3.9")
@pytest.mark.parametrize(
    "line",
    [
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass A: pass",
        "from enum import StrEnum",
        "int | None",
    ],
)
def test_what_39_cannot_do_would_be_noticed(line):
    """The twin: all of this is good syntax, and ends only when it is imported."""
    ast.parse(line, feature_version=NODES_PYTHON)

    assert subprocess.run([python39(), "-I", "-c", line], capture_output=True, check=False).returncode == 1


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
