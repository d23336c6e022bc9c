"""Hosted zone ids look as Route 53's do, since CloudFormation checks them."""

from __future__ import annotations

import re

from pydantic import TypeAdapter

from kubecfn.config.types import ZoneId


def test_every_hosted_zone_id_begins_with_z(aws):
    """A parameter of the type AWS::Route53::HostedZone::Id takes every zone of the account, and so does our configuration."""
    route53 = aws.client("route53")
    made = [
        route53.create_hosted_zone(Name=f"zone{number}.example.", CallerReference=str(number)) for number in range(12)
    ]

    ids = [one["HostedZone"]["Id"].removeprefix("/hostedzone/") for one in made]
    assert all(re.fullmatch(r"Z[A-Z0-9]{10,31}", zone_id) for zone_id in ids)
    assert [TypeAdapter(ZoneId).validate_python(zone_id) for zone_id in ids] == ids
    assert len(set(ids)) == len(ids)
