"""From a YAML file to a Config, with everything that is wrong said at once; and back to text."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kubecfn.config.found import domain_of, found_from
from kubecfn.config.models import Config
from kubecfn.config.rules import problems_in
from kubecfn.errors import ConfigError, FileError, Problem
from kubecfn.versions import choose

_NESTED_KINDS = frozenset({"list", "dict", "tuple"})


def load(path: Path, *, region: str | None = None) -> Config:
    """Return the configuration in `path`; `region` stands in for the file's own.

    Raises:
        FileError: the file is not there or cannot be read.
        ConfigError: everything that is wrong in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FileError(
            f"There is no configuration file {path}.",
            remedy="Copy one from config/ and change it, or name another with --config.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise FileError(
            f"The configuration file {path} cannot be read: {reason}.", remedy="Make it a readable text file."
        ) from error
    return load_text(text, str(path), region=region)


def load_text(text: str, source: str = "configuration", *, region: str | None = None) -> Config:
    """Return the configuration that `text` (YAML) describes; `source` names it in errors.

    Raises:
        ConfigError: everything that is wrong in it.
    """
    data = _read_yaml(text, source)
    if region:
        data["region"] = region
    try:
        config = Config.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise ConfigError(source, [_problem(details) for details in _most_telling(error.errors())]) from error
    problems = problems_in(config)
    if problems:
        raise ConfigError(source, problems)
    return config


def show(config: Config) -> str:
    """Return the configuration as YAML with every default filled in; what it says is what would be emitted."""
    data = config.model_dump(mode="json")
    versions = choose(config.kubernetes, config.etcd)
    data |= {"kubernetes": str(versions.kubernetes), "etcd": str(versions.etcd)}
    data["dns"]["domain"] = domain_of(config, found_from(config))
    data["network"]["egress"] = config.egress
    data["addons"]["dns"]["domain"] = config.addons.dns.domain_of(config.name)
    vpc_cidr = config.network.vpc.cidr if config.network.vpc else config.network.cidr
    if config.network.vpc:
        data["network"]["cidr"] = None
    if config.api.allowed_cidrs is None and vpc_cidr:
        data["api"]["allowed_cidrs"] = [vpc_cidr]
    shown = _without_none(data)
    for chart, written in zip(config.charts, shown["charts"], strict=True):
        written["values"] = chart.values  # null is a value to Helm: it takes a chart's own away
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=120)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value


def schema() -> str:
    """Return the configuration's JSON schema for editors."""
    from kubecfn.config.meanings import described  # noqa: PLC0415  reads sources; only who asks for the schema pays

    return json.dumps(described(Config.model_json_schema()), indent=2) + "\n"


class _Loader(yaml.SafeLoader):
    """YAML without its surprises: no floats (1.30 is a version), no yes/no/on/off, no dates, no key twice."""


_Loader.yaml_implicit_resolvers = {}
for _first, _tag, _pattern in (
    ("tf", "tag:yaml.org,2002:bool", r"true|false"),
    ("-0123456789", "tag:yaml.org,2002:int", r"-?(?:0|[1-9]\d*)"),
    ("~n", "tag:yaml.org,2002:null", r"~|null"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), list(_first))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


def _mapping_without_repeats(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[object] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is not text; put it in quotes", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key} stands there twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping_without_repeats)


def _read_yaml(text: str, source: str) -> dict[str, Any]:
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader with fewer resolvers
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        raise ConfigError(
            source, [Problem(where, "", f"is not YAML: {error.problem or error}", "Mend the line.")]
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(source, [Problem("the file", "", f"is not YAML: {error}", "Make it plain text.")]) from error
    if not isinstance(data, dict):
        found = "empty" if data is None else f"a {type(data).__name__}"
        raise ConfigError(
            source,
            [
                Problem(
                    "the file",
                    "",
                    f"is {found}; it must be a mapping that begins with name: and region:",
                    "See config/ for examples.",
                )
            ],
        )
    return cast("dict[str, Any]", data)


def _most_telling(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Keep one error for each place: of a union's branches the one that says most."""
    kept: dict[str, ErrorDetails] = {}
    for details in errors:
        place = _path(details["loc"])
        if place not in kept or details["type"] == "kubecfn":
            kept[place] = details
    return list(kept.values())


def _path(location: tuple[int | str, ...]) -> str:
    """Write a location as a person would: ``pools[0].labels``; pydantic's names of union branches are left out."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        elif not re.search(r"[\[(]", step) and step not in {"int", "constrained-int", "tuple", "[key]"}:
            text += f".{step}" if text else step
    return text or "the file"


def _problem(details: ErrorDetails) -> Problem:
    path = _path(details["loc"])
    context = details.get("ctx", {})
    if details["type"] == "kubecfn":
        return Problem(path, _shown(details["input"]), str(context["reason"]), str(context.get("remedy", "")))
    if details["type"] == "extra_forbidden":
        known = _known_keys(details["loc"][:-1])
        close = difflib.get_close_matches(str(details["loc"][-1]), known, n=1)
        remedy = f"Did you mean {close[0]}?" if close else f"Known here: {', '.join(known)}."
        return Problem(path, _shown(details["input"]), "is not a known key", remedy)
    if details["type"] == "missing":
        return Problem(path, "", "is required", _REQUIRED.get(path, "Add it."))
    reason = details["msg"].removeprefix("Value error, ")
    reason = reason[0].lower() + reason[1:]
    return Problem(path, _shown(details["input"]), reason.replace("input should be", "must be"), _remedy(path, details))


_REQUIRED = {
    "name": "Write the cluster's name, e.g. name: payments.",
    "region": "Write the AWS region, e.g. region: eu-central-1.",
    "dns": "Write dns: {parent_zone: k8s.example.com}, or dns: {private: true, domain: …}.",
}


def _remedy(path: str, details: ErrorDetails) -> str:
    if path == "controllers.count":
        return "An even number of etcd members tolerates no more failures than one less."
    if details["type"] in {"string_type", "int_type", "bool_type"}:
        return "Mind YAML's types: text may need quotes, numbers none."
    return ""


def _shown(value: object) -> str:
    if type(value).__name__ in _NESTED_KINDS:
        return ""
    return json.dumps(value) if isinstance(value, bool) or value is None else str(value)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the schema knows at a place."""
    root = Config.model_json_schema()
    node: dict[str, Any] = root
    for step in location:
        node = _resolved(node, root)
        if isinstance(step, int):
            node = node.get("items", {})
        elif step in node.get("properties", {}):
            node = node["properties"][step]
    return sorted(_resolved(node, root).get("properties", {}))


def _resolved(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", []):
        if option.get("type") != "null":
            node = option
            break
    while "$ref" in node:
        node = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node
