"""A template as CloudFormation gives it back: JSON or YAML with short-form tags, as plain data in long form.

Source: CloudFormation User Guide, "Intrinsic function reference", section on short forms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import yaml

from kubecfn.short_forms import tagged

INLINE_LIMIT = 51_200
URL_LIMIT = 1_000_000


class _Loader(yaml.CSafeLoader):
    """YAML in which dates stay text and ``!Sub x`` is ``{"Fn::Sub": x}``."""


_Loader.add_multi_constructor("!", tagged)
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(body: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a template's sections.

    Args:
        body: text, YAML or JSON, or what boto3 already made of a JSON template.
    """
    if not isinstance(body, str):
        return body
    if body.lstrip().startswith("{"):
        return cast("dict[str, Any]", json.loads(body))
    data = yaml.load(body, Loader=_Loader)  # noqa: S506  a SafeLoader with CloudFormation's tags
    return data if isinstance(data, dict) else {}
