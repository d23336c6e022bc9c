"""The user data of a role: ``userdata/bootstrap.py``, small enough to be read in a console."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence

from kubecfn.artifacts import Role, bundle_parameter, data_root

# EC2 User Guide, "Run commands when you launch an EC2 instance with user data input": 16 KB before it is encoded.
USER_DATA_LIMIT = 16_384
_INDENT = 4


def user_data_template(role: Role) -> str:
    """Return a role's user data as the text of an ``Fn::Sub``.

    It holds these variables and no other ``${``: the pseudo parameters ``AWS::Region`` and ``AWS::StackName``, the
    parameters ``ArtifactBucket`` and ``ControllerBundleSha256`` or ``WorkerBundleSha256``, and what the template
    has to give: ``Cluster`` (name), ``Group`` (logical id of the node's group), ``NodeLogGroup`` (name), and
    ``Pool``: what a node is told of its pool (`pool_text`).

    Raises:
        FileError: the package was installed without its ``userdata`` folder.
    """
    text = compact((data_root("userdata") / "bootstrap.py").read_text(encoding="utf-8"))
    return text.replace("${Role}", role).replace("${BundleSha256}", f"${{{bundle_parameter(role)}}}")


def pool_text(name: str, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]) -> str:
    """Return what stands for ``${Pool}``, as JSON; Kubernetes allows no quote in any of it.

    Args:
        name: of the pool; empty for controllers.
        labels: of the pool's nodes.
        taints: of the pool's nodes: key, value and effect of each.
    """
    short = [f"{one['key']}={one['value']}:{one['effect']}" for one in taints]
    given = {"pool": name, "labels": dict(labels), "taints": short}
    return json.dumps({name: value for name, value in given.items() if value}, separators=(",", ":"))


def compact(source: str) -> str:
    """Return a Python program without docstring, comment lines and empty lines, indented by one space a level.

    Only whole lines go, so that what runs on the node can be compared with its source at a glance.
    """
    docstring = ast.parse(source).body[0]
    assert docstring.end_lineno is not None
    first, *others = source.splitlines()
    body = others[docstring.end_lineno - 1 :]
    kept = [line for line in body if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join([first, *map(_narrow, kept)]) + "\n"


def _narrow(line: str) -> str:
    code = line.lstrip(" ")
    return " " * ((len(line) - len(code)) // _INDENT) + code
