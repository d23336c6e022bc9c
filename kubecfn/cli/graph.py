"""`kubecfn graph`: the stack as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from kubecfn.cli.options import Where, cluster_options


@click.command()
@cluster_options
@click.option("--to", default="", help="Write the SVG there; - prints it. Default: BUILD/NAME/stack.svg.")
@click.option("--offline", is_flag=True, help="Ask AWS for nothing.")
def graph(where: Where, to: str, offline: bool) -> None:
    """Draw the stack, grouped by part, from the emitted template."""
    from kubecfn.assemble import emitted
    from kubecfn.deploy.workspace import write_file
    from kubecfn.picture import svg

    config = where.config()
    picture = svg(emitted(config, where.found(config, offline=offline)).template)
    if to == "-":
        click.echo(picture, nl=False)
        return
    target = Path(to) if to else where.build / config.name / "stack.svg"
    write_file(target, picture)
    click.echo(f"Written: {target}")
