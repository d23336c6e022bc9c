"""AWS's own managed policies: they are in every account, so one is there as soon as somebody attaches it.

Source: IAM User Guide, "AWS managed policies"; their documents as moto carries them.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, iam_backends

from kubecfn.local.api import Answer, Call, Operations, PassOnError

_OWN = re.compile(r"arn:([\w-]+):iam::aws:policy/(?:[\w+=,.@-]+/)*([\w+=,.@-]+)")


def operations() -> Operations:
    """What is looked at before moto answers."""
    return {("iam", "AttachRolePolicy"): _there_first, ("iam", "AttachUserPolicy"): _there_first}


def _there_first(call: Call) -> Answer:
    """Put a policy of AWS's own where moto looks for it, then let moto attach it."""
    arn = str(call.params["PolicyArn"])
    found = _OWN.fullmatch(arn)
    known = _documents().get(found[2]) if found else None
    if found and known is not None:
        kept = iam_backends[call.account][found[1]].managed_policies
        if arn not in kept:
            policy = AWSManagedPolicy.from_data(found[2], call.account, call.region, dict(known))
            kept[policy.arn] = policy
    raise PassOnError


@functools.cache
def _documents() -> Mapping[str, Any]:
    read: Mapping[str, Any] = json.loads(aws_managed_policies_data)
    return read
