"""From what a caller sends to what a stack is to become: template, parameters, capabilities and tags, all checked.

AWS: API Reference "CreateStack", "UpdateStack", "CreateChangeSet" (parameters of the same names and meaning).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from kubecfn.local.api import ServiceError
from kubecfn.local.cloudformation import graph, parameters, template
from kubecfn.local.cloudformation.refusals import invalid
from kubecfn.local.cloudformation.schemas import schema_of
from kubecfn.local.cloudformation.stacks import Stack, Tags, Wanted
from kubecfn.local.cloudformation.surroundings import Surroundings
from kubecfn.local.cloudformation.template import Template

Params = Mapping[str, Any]
_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*")
_S3_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?")
_STACK_NAME_LIMIT = 128
_TAG_LIMIT = 50
# Types whose creation needs to be acknowledged, and the property that gives them a name of one's own
# (User Guide: "Acknowledging IAM resources in CloudFormation templates").
IAM_NAMES: Mapping[str, str] = {
    "AWS::IAM::AccessKey": "",
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::GroupPolicy": "",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": "",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::RolePolicy": "",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserPolicy": "",
    "AWS::IAM::UserToGroupAddition": "",
}


def check_stack_name(name: str) -> str:
    """Return the name; ValidationError unless it is one a new stack may have."""
    if not _STACK_NAME.fullmatch(name) or len(name) > _STACK_NAME_LIMIT:
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )
    return name


def given_template(around: Surroundings, params: Params, region: str, stack: Stack | None) -> Template:
    """Return the template a request names: inline, in S3, or the stack's own."""
    previous = str(params.get("UsePreviousTemplate", "false")).lower() == "true"
    sources = [key for key in ("TemplateBody", "TemplateURL") if params.get(key)]
    if len(sources) + previous != 1:
        raise invalid("Either Template URL or Template Body must be specified.")
    if previous:
        if stack is None or stack.wanted is None:
            raise invalid("UsePreviousTemplate is only valid for an existing stack")
        return stack.wanted.template
    if sources == ["TemplateBody"]:
        return template.parse(str(params["TemplateBody"]))
    return template.parse(fetched(around, str(params["TemplateURL"]), region), template.URL_LIMIT)


def fetched(around: Surroundings, url: str, region: str) -> str:
    """Return the text of an S3 object named by URL: virtual-hosted, path style, or the embedded AWS's own address."""
    parts = urlsplit(url)
    path = unquote(parts.path).lstrip("/")
    match = _S3_HOST.fullmatch(parts.hostname or "")
    local = parts.netloc == urlsplit(around.world.endpoint()).netloc
    if match and match["bucket"]:
        bucket, key = match["bucket"], path
    elif match or local:
        bucket, _, key = path.partition("/")
    else:
        raise invalid("TemplateURL must be a supported URL.")
    try:
        body: bytes = around.world.client("s3", region).get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as problem:
        error = problem.response["Error"]
        raise invalid(f"S3 error: {error.get('Message', error['Code'])}") from problem
    return body.decode()


def wanted_of(around: Surroundings, params: Params, stack: Stack, *, fresh: bool) -> Wanted:
    """Return what a request makes of a stack, fully checked; nothing has been changed yet.

    Args:
        around: where S3 and Parameter Store are asked.
        params: as CreateStack, UpdateStack and CreateChangeSet take them.
        stack: the one to be made or changed.
        fresh: whether the stack has nothing yet: then there are no previous values and no previous tags.

    Raises:
        ServiceError: with CloudFormation's own words.
    """
    refuse_express(params)
    if params.get("ResourceTypes"):
        raise invalid("ResourceTypes is not emulated.")
    previous = None if fresh else stack.wanted
    text = given_template(around, params, stack.region, None if fresh else stack)
    check_template(text, stack.region)
    values = parameters.settle(
        text,
        params.get("Parameters", []),
        previous.parameters if previous else None,
        lambda name: around.ssm_value(stack.region, name),
    )
    kept = previous.tags if previous else {}
    tags = _tags(params["Tags"]) if "Tags" in params else kept
    capabilities = tuple(params.get("Capabilities", ()))
    check_capabilities(text, capabilities)
    wanted = Wanted(
        text, values, tags, capabilities, tuple(params.get("NotificationARNs", ())), str(params.get("RoleARN", ""))
    )
    scope = around.scope(stack, wanted)
    graph.needs(text, scope.conditions)
    return wanted


def refuse_express(params: Params) -> None:
    """EXPRESS deployments skip the stabilisation a cluster relies on and are not emulated; STANDARD is the default."""
    config = params.get("DeploymentConfig") or {}
    if config.get("Mode", "STANDARD") != "STANDARD":
        raise invalid(f"DeploymentConfig Mode {config['Mode']} is not emulated; use STANDARD.")
    if params.get("DeploymentMode"):
        raise invalid(f"DeploymentMode {params['DeploymentMode']} is not emulated.")


def check_template(text: Template, region: str) -> None:
    """Refuse what CloudFormation refuses before it starts: dead references, unknown types and attributes."""
    types = {str(definition["Type"]) for definition in text.resources.values()}
    if unknown := sorted(kind for kind in types if schema_of(kind, region) is None):
        raise invalid(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")
    graph.check_references(text)
    for name, attribute in graph.references([dict(text.resources), dict(text.outputs)]):
        if attribute is None or name not in text.resources:
            continue
        schema = schema_of(str(text.resources[name]["Type"]), region)
        known = schema.readable if schema else frozenset()
        if not any(attribute == one or attribute.startswith(f"{one}.") for one in known):
            raise invalid(f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt")


def required_capabilities(text: Template) -> tuple[list[str], list[str]]:
    """Return the capabilities a template needs and the IAM types it has."""
    found = {name: str(spec["Type"]) for name, spec in text.resources.items() if spec["Type"] in IAM_NAMES}
    named = any(
        (prop := IAM_NAMES[kind]) and prop in text.resources[name].get("Properties", {}) for name, kind in found.items()
    )
    needed = ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"] if found else []
    return needed, sorted(set(found.values()))


def check_capabilities(text: Template, given: Iterable[str]) -> None:
    """Refuse IAM resources that the caller has not acknowledged."""
    needed, _ = required_capabilities(text)
    allowed = set(given) | ({"CAPABILITY_IAM"} if "CAPABILITY_NAMED_IAM" in given else set())
    if missing := [capability for capability in needed if capability not in allowed]:
        raise ServiceError("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(missing)}]")


def _tags(given: Iterable[Mapping[str, str]]) -> Tags:
    tags = {str(tag["Key"]): str(tag.get("Value", "")) for tag in given or ()}
    if len(tags) > _TAG_LIMIT:
        raise invalid(f"Number of tags, {len(tags)}, is greater than maximum allowed, {_TAG_LIMIT}")
    if reserved := sorted(key for key in tags if key.lower().startswith("aws:")):
        raise invalid(f"aws: prefixed tag key names are not allowed for external use. [{', '.join(reserved)}]")
    return tags


def body_or_url(around: Surroundings, params: Params, key: str, region: str) -> str:
    """Return ``<key>Body`` or what ``<key>URL`` points to, empty when neither is given."""
    if params.get(f"{key}URL"):
        return fetched(around, str(params[f"{key}URL"]), region)
    return str(params.get(f"{key}Body", ""))


def page(rows: list[Any], params: Params, size: int, answer: Callable[[list[Any]], dict[str, Any]]) -> dict[str, Any]:
    """Return one page of rows and the token of the next."""
    try:
        start = int(params.get("NextToken") or 0)
    except ValueError as problem:
        raise invalid(f"Invalid NextToken: {params['NextToken']}") from problem
    more = {"NextToken": str(start + size)} if start + size < len(rows) else {}
    return {**answer(rows[start : start + size]), **more}
