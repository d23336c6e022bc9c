"""Image Builder's types: each from creation over a change in place to nothing left."""

from __future__ import annotations

import pytest

TEAM = {"team": "platform"}
DOCUMENT = """
name: test
schemaVersion: 1.0
phases:
- name: build
  steps:
  - {name: Say, action: ExecuteBash, inputs: {commands: ['echo "$KUBECFN_ROOT"']}}
"""


def own(tags):
    """Tags without those of CloudFormation itself."""
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def component(s, i):
    found = s.client("imagebuilder").get_component(componentBuildVersionArn=i)["component"]
    return found["version"], found["data"], own(found["tags"])


def recipe(s, i):
    found = s.client("imagebuilder").get_image_recipe(imageRecipeArn=i)["imageRecipe"]
    (volume,) = found["blockDeviceMappings"]
    return found["version"], volume["ebs"]["encrypted"], own(found["tags"])


def infrastructure(s, i):
    client = s.client("imagebuilder")
    found = client.get_infrastructure_configuration(infrastructureConfigurationArn=i)["infrastructureConfiguration"]
    return found["instanceTypes"], found.get("subnetId"), own(found["tags"])


def distribution(s, i):
    client = s.client("imagebuilder")
    found = client.get_distribution_configuration(distributionConfigurationArn=i)["distributionConfiguration"]
    (kept,) = found["distributions"][0]["ssmParameterConfigurations"]
    return kept["parameterName"], found.get("description")


def pipeline(s, i):
    found = s.client("imagebuilder").get_image_pipeline(imagePipelineArn=i)["imagePipeline"]
    return found["status"], found["imageTestsConfiguration"]["imageTestsEnabled"]


def a_component(s, name):
    given = {"Name": name, "Version": "1.0.0", "Platform": "Linux", "Data": DOCUMENT}
    return s.make("AWS::ImageBuilder::Component", **given).physical_id


def of_recipe(s, name):
    volume = {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": "true", "VolumeSize": "20"}}
    return {
        "Name": name,
        "Version": "1.0.0",
        "ParentImage": "ssm:/a/parameter",
        "Components": [{"ComponentArn": a_component(s, f"of-{name}")}],
        "BlockDeviceMappings": [volume],
    }


def of_distribution(parameter):
    return [{"Region": "eu-central-1", "SsmParameterConfigurations": [{"ParameterName": parameter}]}]


def of_pipeline(s):
    made = {
        "ImageRecipe": of_recipe(s, "piped"),
        "InfrastructureConfiguration": {"Name": "piped", "InstanceProfileName": "p"},
        "DistributionConfiguration": {"Name": "piped", "Distributions": of_distribution("/imagebuilder/a")},
    }
    arns = {f"{kind}Arn": s.make(f"AWS::ImageBuilder::{kind}", **given).physical_id for kind, given in made.items()}
    return {"Name": "piped", "Status": "ENABLED", "ImageTestsConfiguration": {"ImageTestsEnabled": "true"}, **arns}


# Type, properties, what changes, how the service is asked, its answer before and after, what stays after deletion.
CASES = {
    "Component": (
        "AWS::ImageBuilder::Component",
        {"Name": "test", "Version": "1.0.0", "Platform": "Linux", "Data": DOCUMENT, "Tags": {"Name": "x"}},
        {"Tags": {}}, component, ("1.0.0", DOCUMENT, {**TEAM, "Name": "x"}), ("1.0.0", DOCUMENT, TEAM),
    ),
    "ImageRecipe": (
        "AWS::ImageBuilder::ImageRecipe", lambda s: of_recipe(s, "test"), {"Tags": {"Name": "x"}},
        recipe, ("1.0.0", True, TEAM), ("1.0.0", True, {**TEAM, "Name": "x"}),
    ),
    "InfrastructureConfiguration": (
        "AWS::ImageBuilder::InfrastructureConfiguration",
        {"Name": "test", "InstanceProfileName": "p", "InstanceTypes": ["m7i.large"], "SubnetId": "subnet-1"},
        {"InstanceTypes": ["m7g.large"], "SubnetId": None},
        infrastructure, (["m7i.large"], "subnet-1", TEAM), (["m7g.large"], None, TEAM),
    ),
    "DistributionConfiguration": (
        "AWS::ImageBuilder::DistributionConfiguration",
        {"Name": "test", "Description": "d", "Distributions": of_distribution("/imagebuilder/a")},
        {"Description": None, "Distributions": of_distribution("/imagebuilder/b")},
        distribution, ("/imagebuilder/a", "d"), ("/imagebuilder/b", None),
    ),
    "ImagePipeline": (
        "AWS::ImageBuilder::ImagePipeline", of_pipeline,
        {"Status": "DISABLED", "ImageTestsConfiguration": {"ImageTestsEnabled": False}},
        pipeline, ("ENABLED", True), ("DISABLED", False),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_resource_of_image_builder_is_made_changed_in_place_and_gone(case, life):
    """What the template says is what the service answers, after creation as after a change; then there is none."""
    life(*case)
