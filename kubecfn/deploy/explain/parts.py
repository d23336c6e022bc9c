"""Which part of the picture a resource belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from kubecfn.deploy.explain.model import Group

# First match wins: a prefix of the logical id (names our template fixes), else a prefix of the type.
_BY_NAME = (
    ("Controllers", "controllers"),
    ("ControllerLifecycle", "functions"),
    ("Controller", "controllers"),
    ("WorkerLifecycle", "functions"),
    ("EtcdDiscovery", "functions"),
    ("EtcdBackup", "functions"),
    ("Pool", "pools"),
    ("Worker", "pools"),
    ("Api", "API"),
)
_BY_TYPE = (
    ("AWS::EC2::LaunchTemplate", "nodes"),
    ("AWS::EC2::Instance", "nodes"),
    ("AWS::AutoScaling::", "nodes"),
    ("AWS::EC2::", "network"),
    ("AWS::Route53::", "names"),
    ("AWS::ElasticLoadBalancing", "API"),
    ("AWS::S3::", "storage and keys"),
    ("AWS::KMS::", "storage and keys"),
    ("AWS::IAM::", "rights"),
    ("AWS::Lambda::", "functions"),
    ("AWS::Events::", "functions"),
    ("AWS::Scheduler::", "functions"),
    ("AWS::SQS::", "functions"),
    ("AWS::Logs::", "logs and alarms"),
    ("AWS::CloudWatch::", "logs and alarms"),
)
_ORDER = (
    "network",
    "names",
    "API",
    "storage and keys",
    "controllers",
    "pools",
    "nodes",
    "functions",
    "rights",
    "logs and alarms",
    "other",
)


def part_of(logical_id: str, resource_type: str) -> str:
    """Return the name the picture gives the part a resource belongs to; ``other`` when it belongs to none."""
    by_name = next((part for prefix, part in _BY_NAME if logical_id.startswith(prefix)), None)
    by_type = next((part for prefix, part in _BY_TYPE if resource_type.startswith(prefix)), "other")
    return by_name or by_type


def grouped(resources: Iterable[tuple[str, str]]) -> tuple[Group, ...]:
    """Return (logical id, type) pairs grouped by part, in the picture's order."""
    named = [(part_of(logical_id, kind), logical_id) for logical_id, kind in resources]
    ordered = sorted(named, key=lambda pair: _ORDER.index(pair[0]))
    return tuple(
        Group(part, tuple(logical_id for _, logical_id in pairs))
        for part, pairs in groupby(ordered, key=lambda pair: pair[0])
    )
