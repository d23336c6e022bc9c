"""What a change to one property of one resource type means for those who use the cluster: data, not code.

Each row rests on the "Update requires" line of the property in the CloudFormation template reference and on the
service's own guide, named in `source`. Nothing here is looked up while a plan runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from kubecfn.deploy.explain import rows_cluster, rows_network
from kubecfn.deploy.explain.row import Direction, How, Row

ROWS: tuple[Row, ...] = (*rows_network.ROWS, *rows_cluster.ROWS)


def _by_type(rows: Iterable[Row]) -> Mapping[str, tuple[Row, ...]]:
    types = dict.fromkeys(row.type for row in rows)
    return MappingProxyType({name: tuple(row for row in rows if row.type == name) for name in types})


_BY_TYPE = _by_type(ROWS)


def row_for(resource_type: str, how: How, property_name: str, before: str = "", after: str = "") -> Row | None:
    """Return the most particular row for a change, or None when the table does not know it.

    Args:
        resource_type: e.g. ``AWS::EC2::VPC``.
        how: what CloudFormation does to the resource.
        property_name: the first step of the property's path; empty when the resource goes as a whole.
        before: the value it had, as text.
        after: the value it gets, as text.
    """
    fitting = [
        row
        for row in _BY_TYPE.get(resource_type, ())
        if row.how is how and (not row.properties or property_name in row.properties) and _goes(row, before, after)
    ]
    return max(fitting, key=lambda row: bool(row.properties), default=None)


def _goes(row: Row, before: str, after: str) -> bool:
    if row.direction is Direction.ANY:
        return True
    try:
        old, new = float(before), float(after)
    except ValueError:
        return False
    return new < old if row.direction is Direction.LOWER else new > old
