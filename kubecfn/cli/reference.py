"""The generated part of docs/: every command from its own help, every configuration key from its model, the stack's picture.

`python -m kubecfn.cli.reference` writes them anew; with `--check` it only says which are stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from kubecfn.cli import cli
from kubecfn.cli.reference_keys import configuration_page
from kubecfn.config import found_from, load, schema

ROOT = Path(__file__).parents[2]
PICTURED = Path("config/minimal-public.yaml")
COMMAND = "make templates"
_WIDTH = 100
_COMMANDS_INTRO = f"""\
# Commands

Generated from the commands' own help by `{COMMAND}`. [operations.md](operations.md) tells them by task.

`--config FILE` says which cluster is meant. Where a command has `--output json`, that is its machine form on standard output; progress
and questions go to standard error. Credentials, profiles, SSO and assumed roles work as in the AWS CLI.

| exit code | means |
|---|---|
| 0 | done |
| 1 | something failed |
| 2 | wrong use, or a wrong configuration |
| 3 | you said no |

| environment | means |
|---|---|
| `AWS_PROFILE`, `AWS_REGION`, … | as boto3 reads them; `--profile` and the configuration's `region` come first |
| `AWS_ENDPOINT_URL` | another AWS, for example the one of `kubecfn local` |
| `KUBECFN_HELM` | the helm that renders charts; default the one on the `PATH` |
| `NO_COLOR` | no colours |
| `KUBECFN_DEBUG` | set to anything: an error that is kubecfn's own fault shows where it happened |
"""


def pages() -> dict[Path, str]:
    """Return the text of every generated file by its path below the repository."""
    return {
        Path("docs/cli.md"): commands_page(),
        Path("docs/config.md"): configuration_page(),
        Path("docs/config-schema.json"): schema(),
        Path("docs/stack.svg"): picture(),
    }


def commands_page() -> str:
    """Return the page of all commands, in the order of a cluster's life."""
    sections = [f"## {path}\n\n```text\n{text}\n```\n" for path, text in helps()]
    return "\n".join([_COMMANDS_INTRO, *sections])


def helps() -> Iterator[tuple[str, str]]:
    """Yield every command's full name and its help, at a width that no terminal decides."""
    yield from _helps(cli, "kubecfn", None)


def _helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    # Resilient: the context is for describing, so nothing is required and nothing runs.
    width = {"terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = command.make_context(name, [], parent, resilient_parsing=True, **width)
    yield context.command_path, command.get_help(context).rstrip()
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None, f"{inner} is listed and not there"
            yield from _helps(found, inner, context)


def picture() -> str:
    """Return the picture of the smallest example's stack."""
    from kubecfn.picture import svg
    from kubecfn.template import build

    config = load(ROOT / PICTURED)
    return svg(build(config, found_from(config)).to_dict())


def stale(root: Path) -> list[Path]:
    """Return the generated files below `root` that are not as they would be generated now."""
    return [path for path, text in pages().items() if not _holds(root / path, text)]


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a file is stale.")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=ROOT, help="The repository.")
def main(check: bool, root: Path) -> None:
    """Write the generated files of docs/, or say which are stale."""
    if check:
        found = stale(root)
        for path in found:
            click.echo(f"{path} is not as it would be generated now. Run: {COMMAND}", err=True)
        raise SystemExit(1 if found else 0)
    for path, text in pages().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
