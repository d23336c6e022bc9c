"""Components, recipes, configurations and pipelines of EC2 Image Builder."""

# ruff: noqa: ARG002  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any, ClassVar

from kubecfn.local.providers.resource import Aws, Resource, changed, pick
from kubecfn.local.providers.seam import Properties


class _Kept(Resource):
    """Something with a name of its own; ``Ref`` is the ARN. Its tags are a map and change in place.

    Attributes:
        operation: as the API's operations are called: CreateNAME.
        answers: the member that holds the ARN.
        settings: what changes in place, the whole at once.
    """

    operation: ClassVar[str]
    answers: ClassVar[str]
    settings: ClassVar[tuple[str, ...]] = ()
    gives = ("Arn",)

    def make(self, aws: Aws, properties: Properties) -> str:
        given = pick(properties, *self.fixed, *self.settings)
        version = {"semanticVersion": given.pop("Version")} if "Version" in given else {}
        made = aws.call("imagebuilder", f"Create{self.operation}", **given, **version)
        return str(made[self.answers])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self.settings):
            given = {self.answers: physical_id, **pick(new, *self.settings)}
            aws.call("imagebuilder", f"Update{self.operation}", **given)
        wanted = _listed(new)
        aws.retag("imagebuilder", {"resourceArn": physical_id}, _listed(old), wanted)

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("imagebuilder", f"Delete{self.operation}", **{self.answers: physical_id})


class Component(_Kept):
    """A component: nothing but its tags can be changed."""

    type = "AWS::ImageBuilder::Component"
    operation, answers = "Component", "componentBuildVersionArn"
    fixed = ("Data", "Description", "Name", "Platform", "SupportedOsVersions", "Version")
    accepts = (*fixed, "Tags")


class ImageRecipe(_Kept):
    """A recipe: nothing but its tags can be changed."""

    type = "AWS::ImageBuilder::ImageRecipe"
    operation, answers = "ImageRecipe", "imageRecipeArn"
    fixed = (
        "AdditionalInstanceConfiguration", "AmiTags", "BlockDeviceMappings", "Components", "Description", "Name",
        "ParentImage", "Version",
    )  # fmt: skip
    accepts = (*fixed, "Tags")


class InfrastructureConfiguration(_Kept):
    """The instance on which images are built."""

    type = "AWS::ImageBuilder::InfrastructureConfiguration"
    operation, answers = "InfrastructureConfiguration", "infrastructureConfigurationArn"
    fixed = ("Name",)
    settings = (
        "Description", "InstanceMetadataOptions", "InstanceProfileName", "InstanceTypes", "ResourceTags",
        "SecurityGroupIds", "SubnetId", "TerminateInstanceOnFailure",
    )  # fmt: skip
    accepts = (*fixed, *settings, "Tags")


class DistributionConfiguration(_Kept):
    """Where images go."""

    type = "AWS::ImageBuilder::DistributionConfiguration"
    operation, answers = "DistributionConfiguration", "distributionConfigurationArn"
    fixed = ("Name",)
    settings = ("Description", "Distributions")
    accepts = (*fixed, *settings, "Tags")


class ImagePipeline(_Kept):
    """What brings recipe, instance and distribution together."""

    type = "AWS::ImageBuilder::ImagePipeline"
    operation, answers = "ImagePipeline", "imagePipelineArn"
    fixed = ("Name",)
    settings = (
        "Description", "DistributionConfigurationArn", "EnhancedImageMetadataEnabled", "ImageRecipeArn",
        "ImageTestsConfiguration", "InfrastructureConfigurationArn", "Status",
    )  # fmt: skip
    accepts = (*fixed, *settings, "Tags")


def _listed(properties: Properties) -> Properties:
    """Return the tags as other types have them."""
    tags: dict[str, Any] = properties.get("Tags") or {}
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
