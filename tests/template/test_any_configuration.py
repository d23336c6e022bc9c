"""Whatever a valid configuration says, its template keeps the rules."""

from __future__ import annotations

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_templates import made_from

from kubecfn.config import load_text
from kubecfn.local.cloudformation.template import parse
from kubecfn.template.budgets import budgets, refuse_over_budget
from kubecfn.template.rules import check

REGIONS = st.sampled_from(["eu-central-1", "us-gov-west-1", "cn-north-1"])
TYPES = st.sampled_from([["m7i.large"], ["m7g.large"], ["m7i.large", "m7a.large"], ["r7g.xlarge", "m7g.large"]])


@st.composite
def pools(draw):
    names = draw(st.lists(st.from_regex(r"\A[a-z]{1,8}\Z"), max_size=4, unique=True))
    return [
        {
            "name": name,
            "instance_types": draw(TYPES),
            "min": (least := draw(st.integers(0, 3))),
            "max": draw(st.integers(max(least, 1), 6)),
            "spot": (spot := draw(st.booleans())),
            "zones": draw(st.sampled_from(["all", "each"])),
            "batch": draw(st.integers(1, 4)),
            "tenancy": "default" if spot else draw(st.sampled_from(["default", "dedicated"])),
            "labels": draw(st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from(["a", "b"]))),
        }
        for name in names
    ]


@st.composite
def configurations(draw):
    region = draw(REGIONS)
    private = region == "us-gov-west-1" or draw(st.booleans())
    public_api = draw(st.booleans())
    existing = draw(st.booleans())
    network = {"zones": draw(st.integers(1, 4)), "nat_gateways": draw(st.sampled_from(["one", "per-zone"]))}
    if existing:
        subnets = [{"id": f"subnet-0000000{n}", "zone": f"{region}{zone}"} for n, zone in enumerate("abc")]
        network = {
            "vpc": {"id": "vpc-00000000", "private_subnets": subnets, "public_subnets": [{"id": "subnet-00000009"}]}
        }
    return {
        "name": draw(st.from_regex(r"\A[a-z][a-z0-9]{0,20}\Z")),
        "region": region,
        "dns": {"private": True, "domain": "k.example.com"} if private else {"parent_zone": "k8s.example.com"},
        "network": network,
        "api": {"exposure": "internet-facing" if public_api else "internal"}
        | ({"allowed_cidrs": ["198.51.100.0/24"]} if public_api or draw(st.booleans()) else {}),
        "controllers": {"count": draw(st.sampled_from([1, 3, 5]))},
        "pools": draw(pools()),
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configurations())
def test_any_valid_configuration_gives_a_template_that_keeps_every_rule(data):
    """It builds, breaks no rule, stays within AWS's limits, reads back as it was built, and does so twice alike."""
    config = load_text(yaml.safe_dump(data))
    made = made_from(config)

    assert check(made.data, config.region) == []
    refuse_over_budget(config.name, budgets(made.data, made.text))
    assert set(parse(made.text, limit=1_000_000).resources) == set(made.data["Resources"])
    assert made_from(config).text == made.text
