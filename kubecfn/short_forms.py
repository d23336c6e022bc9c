"""CloudFormation's short-form tags in YAML, as plain data in long form: for who sends templates and for who carries them.

Source: CloudFormation User Guide, "Intrinsic function reference", section on short forms.
"""

from __future__ import annotations

from typing import Any, cast

import yaml


def tagged(loader: yaml.CSafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """Write ``!Sub x`` as ``{"Fn::Sub": x}``; ``!GetAtt A.B`` and ``!GetAtt [A, B]`` both become a list of two.

    A multi-constructor for the tag prefix ``!`` of a loader.
    """
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(cast("yaml.MappingNode", node), deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}
