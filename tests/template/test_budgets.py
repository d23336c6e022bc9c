"""What AWS's limits leave, and what is said when they are passed."""

from __future__ import annotations

import pytest

from kubecfn.errors import KubecfnError
from kubecfn.template.budgets import Budget, budgets, refuse_over_budget


def rows(made):
    return {row.what: row for row in budgets(made.data, made.text)}


def test_a_default_cluster_stays_readable_in_size(make, examples):
    """Three controllers and a pool are about 77 KB: through S3, since a request takes 51,200 bytes, and no more than that."""
    for made in (make(), examples["minimal-public"], examples["demo"], examples["govcloud"]):
        assert len(made.text.encode()) <= 79_000


def test_user_data_is_far_from_its_limit(mixed):
    """Every variable as long as it can be, user data is still a fraction of 16 KiB."""
    row = rows(mixed)["user data bytes"]

    assert 1000 < row.used < 4096
    assert row.allowed == 16_384


@pytest.mark.parametrize("zones", ["all", "each"])
def test_fifty_pools_fit(make, zones):
    """As many pools as a configuration may have, one group for each zone, too, stay within every limit."""
    pools = "".join(f"  - {{name: p{number}, zones: {zones}}}\n" for number in range(50))
    made = make(f"pools:\n{pools}")

    refuse_over_budget("payments", budgets(made.data, made.text))


def test_pools_grow_a_template_linearly(make):
    """The twentieth pool costs as much as the second."""
    sizes = []
    for count in (1, 2, 11, 20):
        pools = "".join(f"  - {{name: p{number:02}}}\n" for number in range(count))
        sizes.append(len(make(f"pools:\n{pools}").text))
    one = sizes[1] - sizes[0]

    assert sizes[2] - sizes[1] == pytest.approx(9 * one, rel=0.02)
    assert sizes[3] - sizes[2] == pytest.approx(9 * one, rel=0.02)


@pytest.mark.parametrize(
    ("lines", "what", "remedy"),
    [
        (
            "pools: [{name: a, labels: {" + ", ".join(f"l{n}: v" for n in range(50)) + "}}]",
            "tags of a group",
            "fewer labels",
        ),
        ("pools: [{name: a, labels: {" + "x" * 100 + ".example.com/y: v}}]", "tag key characters", "Shorten"),
        (
            "api: {exposure: internet-facing, allowed_cidrs: ["
            + ", ".join(f"10.{n}.0.0/16" for n in range(50))
            + "]}\n"
            "pools:\n" + "".join(f"  - {{name: p{n}}}\n" for n in range(50)),
            "parameters",
            "allow fewer networks",
        ),
    ],
)
def test_what_aws_would_refuse_is_refused_before(make, lines, what, remedy):
    """The error names what is too much, what AWS allows, and what to change."""

    def send() -> None:
        made = make(lines)
        refuse_over_budget("payments", budgets(made.data, made.text))

    with pytest.raises(KubecfnError, match=what) as refused:
        send()

    assert remedy in refused.value.remedy


def test_the_stacks_own_tags_count(minimal):
    """CloudFormation puts the stack's tags on every group, where fifty are allowed in all."""
    (row,) = [row for row in budgets(minimal.data, minimal.text, stack_tags=45) if row.what == "tags of a group"]

    with pytest.raises(KubecfnError, match=r"53 tags of a group \(PoolGeneral\)"):
        refuse_over_budget("minimal", [row])


def test_every_limit_passed_is_said_at_once():
    """One error names them all; a limit that is just reached is none."""
    within, over, further = Budget("a", 5, 5), Budget("b", 6, 5, "Thing", "Do."), Budget("c", 1001, 1000)
    refuse_over_budget("payments", [within])

    with pytest.raises(KubecfnError, match=r"6 b \(Thing\), AWS allows 5; 1,001 c, AWS allows 1,000"):
        refuse_over_budget("payments", [within, over, further])


def test_rows_can_be_read_by_machines(minimal):
    """A row is what, used, allowed and where."""
    assert set(budgets(minimal.data, minimal.text)[0].to_json()) == {"what", "used", "allowed", "where"}
