"""The kubecfn command: which commands there are. Each is loaded only when it is asked for."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
from typing import cast

import click

from kubecfn import __version__
from kubecfn.errors import KubecfnError

# Command -> where it is. Loading by name keeps `kubecfn template` free of boto3, rich and moto.
_COMMANDS = {
    "config": "kubecfn.cli.config",
    "keys": "kubecfn.cli.keys",
    "template": "kubecfn.cli.template",
    "graph": "kubecfn.cli.graph",
    "image-lock": "kubecfn.cli.image",
    "image": "kubecfn.cli.image",
    "upload": "kubecfn.cli.stack",
    "plan": "kubecfn.cli.stack",
    "apply": "kubecfn.cli.stack",
    "follow": "kubecfn.cli.stack",
    "delete": "kubecfn.cli.stack",
    "status": "kubecfn.cli.stack",
    "why": "kubecfn.cli.stack",
    "smoke": "kubecfn.cli.smoke",
    "backup": "kubecfn.cli.etcd",
    "restore": "kubecfn.cli.etcd",
    "defrag": "kubecfn.cli.etcd",
    "kubeconfig": "kubecfn.cli.access",
    "token": "kubecfn.cli.access",
    "local": "kubecfn.cli.local",
    "demo": "kubecfn.cli.local",
}
# 128 + SIGINT, as shells report a program that the user stopped.
_INTERRUPTED = 130


class _Commands(click.Group):
    """A group whose commands are imported when they are run or described."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a cluster's life."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command, or None when there is none of that name."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name])
        return cast("click.Command", getattr(module, cmd_name.replace("-", "_")))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="kubecfn")
def cli() -> None:
    """One YAML file to one plain CloudFormation template, and the cluster it stands for.

    Exit codes: 0 done, 1 failed, 2 wrong use or configuration, 3 declined.
    """


def main() -> None:
    """Run the command line; every error ends as one sentence and an exit code."""
    _start_quickly()
    try:
        code = cli.main(standalone_mode=False)
    except KubecfnError as error:
        code = _say(error.message, error.remedy, error.exit_code)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = _say("Stopped.", "Nothing that runs in AWS was cancelled.", _INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) went away: not an error of ours; keep the interpreter from flushing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # noqa: BLE001  the last net: a person never sees a traceback unasked
        if os.environ.get("KUBECFN_DEBUG"):
            traceback.print_exc()
        code = _say(
            f"kubecfn itself failed: {type(error).__name__}: {error}.",
            "KUBECFN_DEBUG=1 shows where; please report it.",
            1,
        )
    sys.exit(code if isinstance(code, int) else 0)


def _start_quickly() -> None:
    """Leave out what only costs: both are measured by `python -m benchmarks cold`."""
    # What is imported stays: looking for rubbish in it every 700 objects is a tenth of a cold start.
    gc.set_threshold(50_000, 20, 20)
    # pydantic looks through every installed package for plugins; our models have none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _say(message: str, remedy: str, code: int) -> int:
    click.echo(click.style("Error: ", fg="red", bold=True) + message, err=True)
    if remedy:
        click.echo(click.style("       ", fg="red") + remedy, err=True)
    return code
