"""What all providers share: refusing what is not emulated, making without leaving halves behind, tags and names."""

# ruff: noqa: ARG002  the four methods of a type have one signature
from __future__ import annotations

import contextlib
import json
import re
import secrets
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError

from kubecfn.local.providers.seam import Context, Made, Properties, UnsupportedError
from kubecfn.local.providers.shapes import fit, refuse_others

Tags = list[dict[str, str]]

_ABSENT = ("404", "NotAttached", "NotFound", "NoSuch", "DoesNotExist", "NonExistent", "Unknown")
_NONE_FOUND = re.compile(r"not found|^No .* found")


def pick(properties: Properties, *names: str) -> Properties:
    """Return the named properties that are given."""
    return {name: properties[name] for name in names if name in properties}


def changed(old: Properties, new: Properties, *names: str) -> bool:
    """Tell whether any of the named properties differs; ``"80"`` and ``80`` are the same value."""
    return any(_plain(old.get(name)) != _plain(new.get(name)) for name in names)


def _plain(value: Any) -> Any:
    """The value with every number and boolean as the text CloudFormation writes."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return json.dumps(value) if isinstance(value, bool | int | float) else value


def is_absent(error: ClientError) -> bool:
    """Tell whether the service says that the thing does not exist, in any of the services' ways to say so."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return any(word in code for word in _ABSENT) or (code == "ValidationError" and bool(_NONE_FOUND.search(message)))


@contextlib.contextmanager
def absent_is_fine() -> Iterator[None]:
    """Let "there is none" pass: what should be deleted is."""
    try:
        yield
    except ClientError as error:
        if not is_absent(error):
            raise


def refusal(operation: str, code: str, message: str) -> ClientError:
    """An error in the service's own words, for what the back end lets pass and AWS does not."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass(frozen=True)
class Aws:
    """The account as the provider of one resource sees it."""

    context: Context
    resource_type: str

    def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """Call an API operation with a template's values; parameters that are None are left out.

        Raises:
            UnsupportedError: the API has no such parameter, at any depth.
            ClientError: the service refused, or a required value is missing or of the wrong kind.
        """
        client = self.context.client(service)
        shape = client.meta.service_model.operation_model(operation).input_shape
        given = {name: value for name, value in params.items() if value is not None}
        fitted = fit(shape, given, self.resource_type) if given else {}
        try:
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**fitted)
        except ParamValidationError as error:
            raise refusal(operation, "ValidationError", str(error)) from error
        return answer

    def exists(self, service: str, operation: str, **params: Any) -> bool:
        """Tell whether a call that looks at one thing finds it."""
        try:
            self.call(service, operation, **params)
        except ClientError as error:
            if is_absent(error):
                return False
            raise
        return True

    def tags(self, given: Iterable[dict[str, Any]] | None = None) -> Tags:
        """The stack's tags with the resource's own over them, as a list of Key and Value."""
        merged = {**self.context.tags, **{str(tag["Key"]): str(tag["Value"]) for tag in given or ()}}
        return [{"Key": key, "Value": value} for key, value in merged.items()]

    def dropped_tags(self, old: Properties, new: Properties, name: str = "Tags") -> list[str]:
        """Keys of the tags that the resource had by its template and no longer has."""
        kept = {tag["Key"] for tag in self.tags(new.get(name))}
        return [tag["Key"] for tag in old.get(name, ()) if tag["Key"] not in kept]

    def retag(
        self,
        service: str,
        target: dict[str, Any],
        old: Properties,
        new: Properties,
        verbs: tuple[str, str] = ("TagResource", "UntagResource"),
    ) -> None:
        """Put the tags of `new` on the target and take off those only `old` had."""
        wanted: Any = self.tags(new.get("Tags"))
        model = self.context.client(service).meta.service_model.operation_model(verbs[0]).input_shape
        if {name.lower(): shape for name, shape in model.members.items()}["tags"].type_name == "map":
            wanted = {tag["Key"]: tag["Value"] for tag in wanted}
        if wanted:
            self.call(service, verbs[0], **target, Tags=wanted)
        if dropped := self.dropped_tags(old, new):
            self.call(service, verbs[1], **target, TagKeys=dropped)

    def name(self, stack: int = 128, logical: int = 100) -> str:
        """A physical name as CloudFormation generates it: stack, logical ID and 12 random characters.

        Args:
            stack: characters of the stack's name to keep, so that the whole fits the service's limit.
            logical: characters of the logical ID to keep.
        """
        parts = (self.context.stack_name[:stack], self.context.logical_id[:logical], random_part())
        return "-".join(part.strip("-") for part in parts)  # some services take no two hyphens in a row

    def until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait in simulated time until `done`; after `seconds` the operation has failed as it does on AWS."""
        clock = self.context.clock
        deadline, pause = clock.monotonic() + seconds, 1.0
        while not done():
            if clock.monotonic() > deadline:
                raise refusal(what, "NotStabilized", f"{what} did not stabilize within {seconds:.0f} seconds")
            clock.sleep(pause)
            pause = min(pause * 1.5, 5.0)


def random_part(length: int = 12) -> str:
    """Characters as CloudFormation ends generated names with."""
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(length))


class Resource:
    """A provider over the service's API: `make`, `settle`, `attributes` and `remove` are all a type has to say.

    `settle` brings a resource from the old properties to the new ones; on creation the old ones are empty, so that
    what takes several calls is written once. When it fails on creation, the resource is removed again.

    Attributes:
        type: CloudFormation's name.
        accepts: every property that really has an effect here.
        fixed: those of them that cannot be changed in place.
        gives: names that ``Fn::GetAtt`` may ask for.
        makes: service, operation and path to the ID in its answer, where creation takes just the fixed properties.
        deletes: service, operation and parameter, where deletion takes just the physical ID.
    """

    type: ClassVar[str]
    accepts: ClassVar[tuple[str, ...]] = ()
    fixed: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[tuple[str, ...]] = ()
    makes: ClassVar[tuple[str, str, str]]
    deletes: ClassVar[tuple[str, str, str]]

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the resource, or nothing at all."""
        self._refuse_unknown(properties)
        aws = Aws(context, self.type)
        physical_id = self.make(aws, properties)
        try:
            self.settle(aws, physical_id, {}, properties)
            return self._made(aws, physical_id, properties)
        except Exception:
            with absent_is_fine():
                self.remove(aws, physical_id, properties)
            raise

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Made:
        """Change the resource in place."""
        self._refuse_unknown(new)
        if stuck := [name for name in self.fixed if changed(old, new, name)]:
            raise UnsupportedError(f"{self.type}: property {', '.join(stuck)} cannot be changed in place")
        aws = Aws(context, self.type)
        self.settle(aws, physical_id, old, new)
        return self._made(aws, physical_id, new)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete the resource; "there is none" is success."""
        with absent_is_fine():
            self.remove(Aws(context, self.type), physical_id, properties)

    def make(self, aws: Aws, properties: Properties) -> str:
        """Make the bare resource and return its physical ID."""
        service, operation, path = self.makes
        answer: Any = aws.call(service, operation, **pick(properties, *self.fixed))
        for step in path.split("."):
            answer = answer[step]
        return str(answer)

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        """Do what turns the resource of `old` into that of `new`; `old` is empty right after `make`."""

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        """What Fn::GetAtt can ask for."""
        return dict.fromkeys(self.gives, physical_id)

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        """Delete the resource."""
        service, operation, parameter = self.deletes
        aws.call(service, operation, **{parameter: physical_id})

    def _refuse_unknown(self, properties: Properties) -> None:
        refuse_others(properties, self.accepts, self.type)

    def _made(self, aws: Aws, physical_id: str, properties: Properties) -> Made:
        return Made(physical_id, self.attributes(aws, physical_id, properties))
