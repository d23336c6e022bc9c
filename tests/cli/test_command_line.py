"""What a person sees: exit codes, one sentence for each mistake, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kubecfn.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "existing-vpc-private.yaml"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process; give its exit code and what it printed."""

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kubecfn", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return command


def test_help_names_every_command_in_the_order_of_a_clusters_life(run) -> None:
    """Without knowing anything a person finds the commands, and each says what it does."""
    code, out, _ = run("--help")

    listed = [line.split()[0] for line in out.split("Commands:")[1].strip().splitlines()]
    assert code == 0
    assert listed[:4] == ["config", "keys", "template", "graph"]
    assert {"plan", "apply", "delete", "status", "why", "demo", "local"} <= set(listed)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nonsense"], 2, "No such command"),
        (["plan"], 2, "Missing option '--config'"),
        (["plan", "--config", "nowhere.yaml"], 1, "There is no configuration file nowhere.yaml"),
        (["config", "check", "--config", "/"], 2, "is a directory"),
        (["template", "--config", EXAMPLE, "--output", "xml"], 2, "is not one of 'text', 'json'"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(run, arguments, code, says) -> None:
    """A wrong command ends in 2, a missing file in 1; both say what is wrong."""
    found, _, err = run(*arguments)

    assert found == code
    assert says in " ".join(err.split())
    assert "Traceback" not in err


def test_every_problem_of_a_configuration_is_printed_and_nothing_is_written(run, tmp_path) -> None:
    """A wrong configuration ends in 2 before anything exists."""
    source = tmp_path / "bad.yaml"
    source.write_text("name: BAD\nregion: mars\ndns: {}\n")

    code, out, err = run("template", "--config", source, "--build", tmp_path / "build")

    assert (code, out) == (2, "")
    assert "2 problems" in err
    assert not (tmp_path / "build").exists()


def test_a_program_reads_json_where_a_person_reads_text(run, tmp_path) -> None:
    """--output json prints the machine form and nothing else on stdout."""
    code, out, _ = run(
        "template", "--config", EXAMPLE, "--offline", "--no-lint", "--build", tmp_path, "--output", "json"
    )

    printed = json.loads(out)
    assert code == 0
    assert Path(printed["template"]).is_file()
    assert {"what", "used", "allowed"} <= set(printed["budgets"][0])


def test_the_template_alone_goes_to_a_pipe(run) -> None:
    """`--to -` prints the template and nothing else, without asking AWS."""
    code, out, err = run("template", "--config", EXAMPLE, "--offline", "--to", "-")

    assert (code, err) == (0, "")
    assert out.startswith("AWSTemplateFormatVersion: '2010-09-09'\n")


def test_a_read_only_build_folder_is_one_sentence(run, tmp_path) -> None:
    """A folder that cannot be written is named, with its remedy; nothing is half-written."""
    blocked = tmp_path / "build"
    blocked.write_text("a file where the folder should be")

    code, _, err = run("keys", "make", "--config", EXAMPLE, "--build", blocked / "deeper")

    assert code == 1
    assert str(blocked) in err
    assert "Traceback" not in err


def test_keys_are_made_shown_and_never_made_again(run, tmp_path) -> None:
    """`keys make` twice leaves every byte as the first one wrote it; `show` lists each file."""
    build = tmp_path / "build"
    assert run("keys", "make", "--config", EXAMPLE, "--build", build)[0] == 0
    written = {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}

    code, out, _ = run("keys", "make", "--config", EXAMPLE, "--build", build)
    assert (code, "nothing" in out) == (0, True)
    assert {path: path.read_bytes() for path in written} == written

    code, out, _ = run("keys", "show", "--config", EXAMPLE, "--build", build, "--output", "json")
    assert {"ca.crt", "ca.key", "sa.key"} <= {row["file"] for row in json.loads(out)}


def test_replacing_keys_needs_the_clusters_name_typed(run, tmp_path, monkeypatch) -> None:
    """Anything but the name is a no: exit code 3, and every file stays."""
    build = tmp_path / "build"
    run("keys", "make", "--config", EXAMPLE, "--build", build)
    before = {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}

    monkeypatch.setattr("click.prompt", lambda *_args, **_kwargs: "yes")
    code, _, err = run("keys", "replace", "admin", "--config", EXAMPLE, "--build", build)

    assert (code, "Nothing was replaced" in err) == (3, True)
    assert {path: path.read_bytes() for path in before} == before

    monkeypatch.setattr("click.prompt", lambda *_args, **_kwargs: "ledger")
    assert run("keys", "replace", "admin", "--config", EXAMPLE, "--build", build)[0] == 0
    assert (build / "ledger" / "pki" / "admin.crt").read_bytes() != before[build / "ledger" / "pki" / "admin.crt"]


def test_a_fault_of_ours_is_said_without_a_traceback(run, monkeypatch) -> None:
    """The last net: one sentence, how to see more, exit code 1."""
    monkeypatch.setattr("kubecfn.picture.svg", lambda _template: 1 / 0)
    code, _, err = run("graph", "--config", EXAMPLE, "--offline", "--to", "-")

    assert code == 1
    assert "kubecfn itself failed: ZeroDivisionError" in err
    assert "KUBECFN_DEBUG=1" in err
    assert "Traceback" not in err


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`kubecfn template --to - | head -1` ends quietly."""
    command = f"'{sys.executable}' -m kubecfn.cli template --config '{EXAMPLE}' --offline --to - | head -c 10"
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
