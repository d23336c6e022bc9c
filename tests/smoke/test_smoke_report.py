"""One table and an exit code; whatever goes wrong in a check is its answer, and the others are asked all the same."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from kubecfn.cli import cli
from kubecfn.errors import FileError, KubecfnError
from kubecfn.kubernetes.client import KubernetesError
from kubecfn.smoke import reach
from kubecfn.smoke.check import Report, Result, found, run, until_well
from kubecfn.smoke.checks import checks
from tests.smoke.machines import CONFIG, subject


def refuse(error):
    """A check that cannot ask."""

    def check(_):
        raise error

    return check


def test_every_check_has_an_answer_and_none_stops_the_others(tmp_path):
    """A silent API server, an AWS that refuses, problems, and success: four rows, and the whole is not well."""
    told = []
    report = run(
        subject(None, tmp_path),
        {
            "a": refuse(KubernetesError(0, "Unreachable", "nobody is there")),
            "b": refuse(KubecfnError("AWS says no.", remedy="Ask.")),
            "c": lambda _: found([f"p{n}" for n in range(8)], "good"),
            "d": lambda _: found((), "good"),
        },
        told.append,
    )

    assert [(one.name, one.ok, one.words) for one in report.results] == [
        ("a", False, "the API server did not tell: nobody is there"),
        ("b", False, "AWS says no. Ask."),
        ("c", False, "p0; p1; p2; p3; p4; p5; and 2 more"),
        ("d", True, "good"),
    ]
    assert told == list(report.results)
    assert json.loads(json.dumps(report.to_json()))["ok"] is False
    with pytest.raises(KubecfnError, match="Not all is well with payments: a, b, c"):
        report.check()


def test_a_report_of_good_answers_is_well():
    """And only such a one."""
    good = Result("a", ok=True, words="x")

    Report("payments", (good,)).check()
    assert not Report("payments", (good, Result("b", ok=False, words="x"))).ok


def test_the_list_of_checks_is_what_the_cluster_has(tmp_path):
    """Workers only where there are pools, a volume only when it is asked for."""
    usual = subject(None, tmp_path)
    other = subject(
        None, tmp_path, config=CONFIG.replace("pools: [{name: general, labels: {team: shop}}]", "pools: []")
    )
    other.storage = True

    assert {*checks(usual)} - {*checks(other)} == {"workers"}
    assert {*checks(other)} - {*checks(usual)} == {"volume"}


def test_a_missing_kubeconfig_is_said_before_anything_is_asked(tmp_path):
    """With the path and how to get it."""
    (tmp_path / "c.yaml").write_text(CONFIG)
    answer = CliRunner().invoke(cli, ["smoke", "-c", str(tmp_path / "c.yaml"), "--build", str(tmp_path / "build")])

    assert isinstance(answer.exception, FileError)
    assert f"{tmp_path}/build/payments/pki/kubeconfig is not there" in str(answer.exception)


@pytest.mark.parametrize("text", ["", "{}", "apiVersion: v1\nkind: Config\n"])
def test_a_file_that_is_no_kubeconfig_is_refused_with_the_remedy(tmp_path, text):
    """Never a traceback."""
    path = tmp_path / "kubeconfig"
    path.write_text(text)

    with pytest.raises(FileError, match="cannot be used as a kubeconfig") as refused:
        reach.administrator(path)
    assert refused.value.remedy


def test_it_is_looked_again_until_all_is_well_or_the_time_is_over():
    """A cluster that has only just come needs a moment; without patience one look is all."""
    bad, good = (Report("x", (Result("a", ok=ok, words="x"),)) for ok in (False, True))
    now, looks = [0.0], iter((bad, bad, good))

    def sleep(seconds):
        now[0] += seconds

    assert until_well(lambda: next(looks), 60, sleep, lambda: now[0]) is good
    assert now == [10.0]
    assert until_well(lambda: bad, 12, sleep, lambda: now[0]) is bad
    assert now == [25.0]
    assert until_well(lambda: bad, 0, sleep, lambda: now[0]) is bad
    assert now == [25.0]
