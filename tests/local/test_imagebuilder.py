"""Image Builder of the embedded AWS is as strict as the service: what it refuses, and what it never runs."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.local.imagebuilder import service
from kubecfn.local.imagebuilder.documents import DocumentError, Runner, StepError, parsed

STEP = "- {name: Say, action: ExecuteBash, inputs: {commands: ['echo $KUBECFN_ROOT']}}"
DOCUMENT = "name: x\nschemaVersion: 1.0\nphases:\n- name: build\n  steps:\n  {}\n"


def document(steps=STEP):
    return DOCUMENT.format(steps)


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """An account with Image Builder alone."""
    workdir = tmp_path_factory.mktemp("aws")
    with EmbeddedAws(workdir=workdir, clock=ScaledClock(100), services=(service,)) as running:
        yield running


@pytest.fixture(scope="module")
def client(aws):
    """Its client."""
    return aws.client("imagebuilder")


def component(client, name, data=None, version="1.0.0"):
    made = client.create_component(name=name, semanticVersion=version, platform="Linux", data=data or document())
    return made["componentBuildVersionArn"]


@pytest.fixture
def pipeline(aws, client, request):
    """Make a pipeline of one component; give its ARN."""

    def make(data, *, parameter="/imagebuilder/test"):
        name = f"{request.node.name[:60]}".replace("_", "-").replace("[", "-").replace("]", "")
        aws.client("iam").create_instance_profile(InstanceProfileName=name)
        recipe = client.create_image_recipe(
            name=name,
            semanticVersion="1.0.0",
            parentImage="ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            components=[{"componentArn": component(client, name, data)}],
        )["imageRecipeArn"]
        infrastructure = client.create_infrastructure_configuration(name=name, instanceProfileName=name)
        kept = [{"parameterName": parameter, "dataType": "aws:ec2:image"}]
        distribution = client.create_distribution_configuration(
            name=name, distributions=[{"region": aws.region, "ssmParameterConfigurations": kept}]
        )
        return client.create_image_pipeline(
            name=name,
            imageRecipeArn=recipe,
            infrastructureConfigurationArn=infrastructure["infrastructureConfigurationArn"],
            distributionConfigurationArn=distribution["distributionConfigurationArn"],
        )["imagePipelineArn"]

    return make


def built(client, pipeline):
    arn = client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    for _ in range(500):
        image = client.get_image(imageBuildVersionArn=arn)["image"]
        if image["state"]["status"] in {"AVAILABLE", "FAILED"}:
            return image
        time.sleep(0.02)
    raise AssertionError(image)


def refused(call, code):
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] == code


def test_a_version_is_made_once(client):
    """A component under the same name and version is refused (CreateComponent): it cannot be changed."""
    component(client, "once")

    refused(lambda: component(client, "once"), "ResourceInUseException")
    component(client, "once", version="1.0.1")


@pytest.mark.parametrize("version", ["1.0", "1.0.x", "v1.0.0", f"1.0.{2**30}"])
def test_a_version_is_semantic(client, version):
    """Three numbers, each below 2^30 (User Guide: "Semantic versioning")."""
    refused(lambda: component(client, "semantic", version=version), "InvalidVersionNumberException")


def test_what_is_used_is_not_deleted(client, pipeline):
    """A recipe that a pipeline uses stays (ResourceDependencyException)."""
    arn = pipeline(document())
    recipe = client.get_image_pipeline(imagePipelineArn=arn)["imagePipeline"]["imageRecipeArn"]
    refused(lambda: client.delete_image_recipe(imageRecipeArn=recipe), "ResourceDependencyException")

    client.delete_image_pipeline(imagePipelineArn=arn)
    client.delete_image_recipe(imageRecipeArn=recipe)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no: phases", "not valid"),
        (document().replace("1.0", "2.0"), "schemaVersion"),
        (document(f"{STEP}\n  {STEP}"), "one name"),
        (document("- {name: x, action: Reboot}"), "not emulated"),
        (document("- {name: x, action: ExecuteBash, loop: {}, inputs: {commands: [ls]}}"), "not emulated"),
        (document("- {name: x, action: ExecuteBash, inputs: {commands: ['echo {{ a.b.c }}']}}"), "chains values"),
        (document().replace("name: build", "name: other"), "Phases"),
    ],
)
def test_a_document_is_judged_when_it_is_made(client, text, says):
    """What Image Builder or this double cannot run is refused when the component is made."""
    with pytest.raises(DocumentError, match=says):
        parsed(text)
    refused(lambda: component(client, "judged", text), "InvalidParameterValueException")


def test_a_good_build_ends_in_a_parameter(aws, client, pipeline):
    """The image's ID is kept under the distribution's parameter when every phase ended well."""
    image = built(client, pipeline(document()))

    (ami,) = image["outputResources"]["amis"]
    assert image["state"]["status"] == "AVAILABLE"
    assert aws.client("ssm").get_parameter(Name="/imagebuilder/test")["Parameter"]["Value"] == ami["image"]


def test_a_parameter_elsewhere_is_not_written(client, pipeline):
    """Below another path Image Builder's own role may not write (AWSServiceRoleForImageBuilder)."""
    image = built(client, pipeline(document(), parameter="/kubecfn/test"))

    assert image["state"]["status"] == "FAILED"
    assert "ssm:PutParameter" in image["state"]["reason"]


def test_a_step_that_names_no_root_is_never_run(client, pipeline, tmp_path):
    """A step that would write to this machine is refused, not run."""
    trace = tmp_path / "trace"
    image = built(client, pipeline(document(STEP.replace("echo $KUBECFN_ROOT", f"touch {trace}"))))

    assert (image["state"]["status"], trace.exists()) == ("FAILED", False)
    assert "this machine is no instance" in image["state"]["failureContext"]["componentFailure"]["errorMessage"]


@pytest.mark.parametrize(
    ("more", "script", "says"),
    [
        ("", "echo $KUBECFN_ROOT >/dev/null; echo why >&2; exit 3", "exit status 3: why"),
        (", timeoutSeconds: 1", "echo $KUBECFN_ROOT; exec sleep 60", "exit status -9"),
        (", onFailure: Continue", "cat $KUBECFN_ROOT/none", None),
        (", maxAttempts: 2", 'mkdir "$KUBECFN_ROOT/a" && exit 1 || true', None),
    ],
)
def test_steps_end_as_their_document_says(tmp_path, more, script, says):
    """A failed step ends the phase with its last words, unless it may fail or the next attempt goes well."""
    text = document(f"- {{name: Say, action: ExecuteBash{more}, inputs: {{commands: ['{script}']}}}}")
    runner = Runner(tmp_path, tmp_path, lambda _line: None)
    if says is None:
        runner.run(text, "build")
        return
    with pytest.raises(StepError, match=says):
        runner.run(text, "build")
