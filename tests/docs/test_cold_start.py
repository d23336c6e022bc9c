"""What a process loads to emit a template: nothing that only talks to AWS, to people or to tests."""

import subprocess
import sys

import pytest

EMIT = ["template", "--config", "config/minimal-public.yaml", "--offline", "--to", "-"]
PROGRAM = """\
import atexit, sys
atexit.register(lambda: print(*sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr))
from kubecfn.cli import main
sys.argv = ["kubecfn", *sys.argv[1:]]
main()
"""


def loaded_by(*arguments):
    """Return the top-level packages that a kubecfn process has loaded when it ends."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], check=True, capture_output=True, text=True)
    return set(ended.stderr.split()), ended.stdout


@pytest.fixture(scope="module")
def emitting():
    return loaded_by(*EMIT)


@pytest.mark.parametrize("package", ["boto3", "botocore", "rich", "moto", "cfnlint", "cryptography"])
def test_emitting_loads_nothing_that_it_does_not_need(emitting, package):
    """Emitting asks nobody and draws nothing, so it pays for none of it."""
    assert package not in emitting[0]


def test_emitting_did_emit(emitting):
    """The process above really printed the template, with the package that makes it."""
    assert "troposphere" in emitting[0]
    assert "AWSTemplateFormatVersion" in emitting[1]


def test_a_command_that_needs_more_loads_more():
    """The look at what was loaded can fail: keys are made with cryptography."""
    assert "cryptography" in loaded_by("keys", "--help")[0]
