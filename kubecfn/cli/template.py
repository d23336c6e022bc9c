"""`kubecfn template`: the one file everything else is about."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kubecfn.cli.options import Where, cluster_options, output_option


@click.command()
@cluster_options
@output_option
@click.option(
    "--to",
    default="",
    help="Write the template there; - prints it alone. Default: BUILD/NAME/cluster.yaml.",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Ask AWS for nothing: what is not known by ID becomes a parameter without a default.",
)
@click.option("--lint/--no-lint", default=True, help="Check the result with cfn-lint (not when it is printed).")
def template(where: Where, output: str, to: str, offline: bool, lint: bool) -> None:
    """Emit the cluster's template and check it against our rules, AWS's limits and cfn-lint."""
    from kubecfn.assemble import emitted

    config = where.config()
    stack = emitted(config, where.found(config, offline=offline))
    if to == "-":
        click.echo(stack.text, nl=False)
        return
    if lint:
        stack.refuse_lint()
    target = Path(to) if to else where.build / config.name / "cluster.yaml"
    stack.write(target)
    if output == "json":
        click.echo(json.dumps({"template": str(target), "budgets": [row.to_json() for row in stack.budgets]}, indent=2))
        return
    click.echo(f"Written: {target}")
    for row in stack.budgets:
        click.echo(f"  {row.what}: {row.used} of {row.allowed}")
