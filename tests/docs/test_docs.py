"""Documentation that cannot lie: what it names exists, what exists is named, and what is generated is fresh."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kubecfn.cli import cli, reference
from kubecfn.config.models import Config
from kubecfn.config.types import Part

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PROSE = [path for path in PAGES if path.name not in {"cli.md", "config.md"}]
MAKEFILE = (ROOT / "Makefile").read_text()
FOLDERS = ("benchmarks", "config", "docs", "kubecfn", "lambdas", "templates", "tests", "userdata")
HOME = re.compile(r"(?<![\w.:/-])/(?:" + "home|Users|root" + r")/[\w.-]+")


def commands(command=cli, path="kubecfn", parent=None):
    """Yield the full name and the object of every command there is."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, parent=parent)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), f"{path} {name}", context)


def keys(model=Config, path=""):
    """Yield the path of every configuration key, from the JSON schema that editors use."""
    root = Config.model_json_schema()
    yield from _keys(root, root, path)


def _keys(node, root, path):
    if "$ref" in node:
        node = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    for option in (*node.get("anyOf", ()), *node.get("allOf", ())):
        yield from _keys(option, root, path)
    if "items" in node:
        yield from _keys(node["items"], root, f"{path}[]")
    for name, inner in node.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        yield below
        yield from _keys(inner, root, below)


def targets():
    """Return the help of every target of the Makefile, by name; None where a target has none."""
    rules = re.findall(r"^([a-z][a-z-]*):(?!=)(.*)$", MAKEFILE, re.MULTILINE)
    return {name: rest.split("## ", 1)[1] if "## " in rest else None for name, rest in rules}


def code_in(text):
    """Yield what stands as code on a page: spans, and lines of indented or fenced blocks."""
    yield from re.findall(r"`([^`\n]+)`", text)
    yield from (line.strip() for line in text.splitlines() if line.startswith("    "))


def named_targets(text):
    """Yield the targets that the code on a page gives to make."""
    for code in code_in(text):
        found = re.match(r"make\s+(.*)", code.split("#")[0])
        for word in found[1].split() if found else ():
            if word.startswith(("-", '"', "'")) or "=" in word:
                continue
            yield word
            break


def broken_links(page):
    """Return the relative links of a page that lead nowhere."""
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    local = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:", link)]
    return [link for link in local if link and not (page.parent / link).exists()]


@pytest.mark.parametrize(
    ("path", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_has_help_and_is_documented(path, command):
    """A command nobody can read about does not exist: each has a sentence, each option too, each a place in cli.md."""
    assert command.help
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []
    assert f"## {path}\n" in (ROOT / "docs/cli.md").read_text()


def test_every_configuration_key_is_documented():
    """Whatever the schema accepts stands in docs/config.md with its meaning, and nothing else does."""
    rows = re.findall(r"^\| `([^`]+)` \| .* \| (.*) \|$", (ROOT / "docs/config.md").read_text(), re.MULTILINE)

    assert sorted(set(keys())) == sorted(path for path, _ in rows)
    assert [path for path, meaning in rows if not meaning] == []


def test_every_section_says_what_it_is():
    """Each section of the configuration opens with a sentence."""
    assert [part.__name__ for part in Part.__subclasses__() if not part.__doc__] == []


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_every_make_target_a_page_names_exists(page):
    """Nobody copies a command from a page that make does not know."""
    assert [name for name in named_targets(page.read_text()) if name not in targets()] == []


def test_pages_name_make_targets_at_all():
    """The search above finds what a reader would see; otherwise it could never fail."""
    found = set(named_targets((ROOT / "README.md").read_text()))

    assert {"demo", "test", "create-cluster"} <= found
    assert list(named_targets("Run `make NAME=x no-such ARGS=1`.")) == ["no-such"]


def test_every_make_target_has_help():
    """`make` alone shows every target with a sentence."""
    assert [name for name, text in targets().items() if not text] == []
    assert {"demo", "test", "create-cluster", "bench", "templates"} <= set(targets())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    """A link inside the repository points at a file that is there."""
    assert broken_links(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    """The check above can fail: a file that is not there is named, the web and anchors are let through."""
    (tmp_path / "page.md").write_text("[a](gone.md) [b](https://example.com) [c](#here) [d](page.md#there)")

    assert broken_links(tmp_path / "page.md") == ["gone.md"]


def test_no_file_names_a_path_of_one_machine():
    """What stands in the repository is true on every machine: nobody's home is in it."""
    suffixes = {".py", ".md", ".yaml", ".json", ".cfg", ".toml", ".sh", ".svg", ".service"}
    below = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    files = [path for path in (*ROOT.iterdir(), *below) if path.is_file() and path.suffix in suffixes]

    assert [path for path in files if HOME.search(path.read_text())] == []
    assert len(files) > len(PAGES)


@pytest.mark.parametrize("home", ["home", "Users", "root"])
def test_a_path_of_one_machine_is_found(home):
    """The search above knows a home when it sees one."""
    assert HOME.search(f"in /{home}/anna")
    assert not HOME.search(f"https://example.com/{home}/anna")


def test_the_generated_pages_are_fresh():
    """What is generated is as it would be generated now; `make templates` makes it so."""
    assert reference.stale(ROOT) == []


def test_a_stale_page_is_named_with_the_command_that_mends_it(tmp_path):
    """Writing makes every page; changing one makes the check fail, name it and say what to run."""
    run = CliRunner()
    assert run.invoke(reference.main, ["--root", str(tmp_path)]).exit_code == 0
    assert run.invoke(reference.main, ["--check", "--root", str(tmp_path)]).exit_code == 0
    (tmp_path / "docs/cli.md").write_text("out of date")

    checked = run.invoke(reference.main, ["--check", "--root", str(tmp_path)])

    assert checked.exit_code == 1
    assert "docs/cli.md is not as it would be generated now. Run: make templates" in checked.output
    assert "config.md" not in checked.output


@pytest.mark.parametrize("width", ["40", "200"])
def test_the_reference_does_not_depend_on_the_terminal(monkeypatch, width):
    """The same commands give the same page in every window."""
    expected = reference.commands_page()
    monkeypatch.setenv("COLUMNS", width)

    assert expected == reference.commands_page()
