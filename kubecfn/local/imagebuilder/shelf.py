"""What Image Builder keeps: components, recipes, configurations and pipelines, as its API gives them.

Source: EC2 Image Builder API Reference, the operations named here; User Guide, "Semantic versioning".
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubecfn.local.api import Answer, Call, Handler, ServiceError
from kubecfn.local.imagebuilder.documents import DocumentError, parsed
from kubecfn.local.world import World, partition_of

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_LARGEST_PART = 2**30 - 1
_NOT_KEPT = frozenset({"clientToken", "dryRun", "semanticVersion"})


@dataclass(frozen=True)
class Kind:
    """One kind of thing.

    Attributes:
        name: as operations are called: CreateNAME.
        path: in its ARN.
        arn: the member that answers and asks with its ARN.
        versioned: whether it has a semantic version, and so cannot be changed.
        uses: its members that hold other things' ARNs.
    """

    name: str
    path: str
    arn: str
    versioned: bool = False
    uses: tuple[str, ...] = ()

    @property
    def member(self) -> str:
        """The member of a Get's answer."""
        return self.name[0].lower() + self.name[1:]


COMPONENT = Kind("Component", "component", "componentBuildVersionArn", versioned=True)
RECIPE = Kind("ImageRecipe", "image-recipe", "imageRecipeArn", versioned=True)
INFRASTRUCTURE = Kind("InfrastructureConfiguration", "infrastructure-configuration", "infrastructureConfigurationArn")
DISTRIBUTION = Kind("DistributionConfiguration", "distribution-configuration", "distributionConfigurationArn")
PIPELINE = Kind(
    "ImagePipeline", "image-pipeline", "imagePipelineArn", uses=(RECIPE.arn, INFRASTRUCTURE.arn, DISTRIBUTION.arn)
)
KINDS = (COMPONENT, RECIPE, INFRASTRUCTURE, DISTRIBUTION, PIPELINE)


@dataclass
class _Kept:
    kind: Kind
    data: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)


class Shelf:
    """Everything that is kept, by ARN.

    Args:
        world: surroundings.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._things: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def operations(self) -> Mapping[tuple[str, str], Handler]:
        """What is answered here."""
        made: dict[str, Handler] = {
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._tags,
        }
        for kind in KINDS:
            made[f"Create{kind.name}"] = self._handler(kind, self._create)
            made[f"Get{kind.name}"] = self._handler(kind, self._get)
            made[f"Delete{kind.name}"] = self._handler(kind, self._delete)
            if not kind.versioned:
                made[f"Update{kind.name}"] = self._handler(kind, self._update)
        return {("imagebuilder", name): handler for name, handler in made.items()}

    def find(self, arn: str, kind: Kind) -> dict[str, Any]:
        """Return what is kept under an ARN.

        Raises:
            ServiceError: nothing, or something of another kind.
        """
        kept = self._things.get(arn)
        if kept is None or kept.kind is not kind:
            raise _absent(arn)
        return kept.data

    @staticmethod
    def _handler(kind: Kind, act: Callable[[Kind, Call], Answer]) -> Handler:
        return lambda call: act(kind, call)

    def _create(self, kind: Kind, call: Call) -> Answer:
        given = dict(call.params)
        name = str(given["name"])
        version = str(given.get("semanticVersion", ""))
        where = f"{partition_of(call.region)}:imagebuilder:{call.region}:{call.account}"
        arn = f"arn:{where}:{kind.path}/{re.sub(r'[^a-z0-9]', '-', name.lower())}"
        if kind.versioned:
            arn += f"/{_semantic(version)}"
        if kind is COMPONENT:
            arn += "/1"
            _judge(str(given.get("data", "")))
        tags = dict(given.pop("tags", {}) or {})
        data = {key: value for key, value in given.items() if key not in _NOT_KEPT and value is not None}
        if kind.versioned:
            data["version"] = version
        with self._lock:
            if arn in self._things:
                code = "ResourceInUseException" if kind is COMPONENT else "ResourceAlreadyExistsException"
                raise ServiceError(code, f"The resource '{arn}' already exists.")
            self._need(kind, data)
            self._things[arn] = _Kept(kind, {**data, "arn": arn}, tags)
        return {kind.arn: arn}

    def _update(self, kind: Kind, call: Call) -> Answer:
        given = {key: value for key, value in call.params.items() if key not in _NOT_KEPT and value is not None}
        arn = str(given.pop(kind.arn))
        with self._lock:
            old = self.find(arn, kind)
            self._need(kind, given)
            self._things[arn].data = {"name": old["name"], "arn": arn, **given}
        return {kind.arn: arn}

    def _get(self, kind: Kind, call: Call) -> Answer:
        arn = str(call.params[kind.arn])
        data = self.find(arn, kind)
        return {kind.member: {**data, "tags": dict(self._things[arn].tags)}}

    def _delete(self, kind: Kind, call: Call) -> Answer:
        arn = str(call.params[kind.arn])
        with self._lock:
            self.find(arn, kind)
            if users := sorted(other for other, kept in self._things.items() if arn in _used(kept.kind, kept.data)):
                raise ServiceError(
                    "ResourceDependencyException", f"Resource dependency error: {arn} is used by {', '.join(users)}."
                )
            del self._things[arn]
        return {kind.arn: arn}

    def _need(self, kind: Kind, data: Mapping[str, Any]) -> None:
        for arn in _used(kind, data):
            if arn not in self._things:
                raise ServiceError("InvalidParameterValueException", f"The resource '{arn}' does not exist.")

    def _tag(self, call: Call) -> Answer:
        self._kept(call).tags.update(call.params["tags"])
        return {}

    def _untag(self, call: Call) -> Answer:
        kept = self._kept(call)
        for key in call.params["tagKeys"]:
            kept.tags.pop(key, None)
        return {}

    def _tags(self, call: Call) -> Answer:
        return {"tags": dict(self._kept(call).tags)}

    def _kept(self, call: Call) -> _Kept:
        arn = str(call.params["resourceArn"])
        if arn not in self._things:
            raise _absent(arn)
        return self._things[arn]


def _used(kind: Kind, data: Mapping[str, Any]) -> Iterable[str]:
    if kind is RECIPE:
        return [str(one["componentArn"]) for one in data["components"]]
    return [str(data[name]) for name in kind.uses if name in data]


def _semantic(version: str) -> str:
    found = _VERSION.fullmatch(version)
    if not found or any(int(part) > _LARGEST_PART for part in found.groups()):
        raise ServiceError(
            "InvalidVersionNumberException",
            f"The version '{version}' is not valid: MAJOR.MINOR.PATCH, each up to 2^30-1.",
        )
    return version


def _judge(document: str) -> None:
    try:
        parsed(document)
    except DocumentError as error:
        raise ServiceError("InvalidParameterValueException", str(error)) from error


def _absent(arn: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", f"The resource '{arn}' cannot be found.", 404)
