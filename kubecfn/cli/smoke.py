"""`kubecfn smoke`: what a careful person looks at after a deploy."""

from __future__ import annotations

from pathlib import Path

import click

from kubecfn.cli.options import Where, cluster_options, output_option


@click.command()
@cluster_options
@output_option
@click.option(
    "--kubeconfig",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The administrator's kubeconfig; default the one below the build folder.",
)
@click.option("--storage", is_flag=True, help="Also make, bind and delete a volume of 1 GiB.")
@click.option(
    "--within",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    help="Look again until all is well, so many seconds at most.",
)
def smoke(where: Where, output: str, file: Path | None, storage: bool, within: float) -> None:
    """Look whether the cluster is well: nodes, etcd, backups, DNS, scheduling, network, storage, certificates.

    Two small pods run for a moment in a namespace of their own, which is deleted again; nothing else is changed.
    """
    from datetime import UTC, datetime

    from kubecfn.cli.console import print_json, print_table, talking
    from kubecfn.cluster_keys import known_domain
    from kubecfn.config import found_from
    from kubecfn.config.found import domain_of
    from kubecfn.deploy.aws import connect
    from kubecfn.deploy.progress import Kind, Progress
    from kubecfn.smoke.check import COLUMNS, Report, Result, run, until_well
    from kubecfn.smoke.checks import checks
    from kubecfn.smoke.reach import administrator, kubeconfig_of
    from kubecfn.smoke.subject import Subject

    config = where.config()
    path = kubeconfig_of(where.build, config, file)
    client = administrator(path)
    domain = known_domain(config, where.found(config, offline=domain_of(config, found_from(config)) is not None))
    aws = connect(config.region, where.profile)
    with talking() as talk:

        def tell(result: Result) -> None:
            talk.report(Progress(Kind.STEP if result.ok else Kind.WARNING, f"{result.name}: {result.cells[1]}"))

        def look() -> Report:
            subject = Subject(config, domain, client, aws, path, datetime.now(UTC), storage)
            return run(subject, checks(subject), tell)

        report = until_well(look, within)
    if output == "json":
        print_json(report.to_json())
    else:
        print_table(f"Smoke test of {config.name}", COLUMNS, [one.cells for one in report.results])
    report.check()
