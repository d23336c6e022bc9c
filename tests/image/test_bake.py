"""Images baked on the embedded AWS by the commands a person types: every step of every component is really run."""

from __future__ import annotations

import hashlib
import json
import sys

import pytest
import yaml

from kubecfn.cli import main
from kubecfn.config import found_from, load
from kubecfn.deploy.aws import connect
from kubecfn.deploy.lookup import look_up
from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws

REGION = "eu-central-1"
STACK = "kubecfn-image-1-36"
PATHS = {one: f"/imagebuilder/kubecfn/1.36/{one}" for one in ("x86_64", "arm64")}
CONFIG = f"""
name: small
region: {REGION}
kubernetes: "1.36"
dns: {{private: true, domain: small.internal}}
controllers: {{count: 1}}
pools: [{{name: graviton, instance_types: [m7g.large], min: 1, max: 2}}]
image: {{ssm: {{x86_64: {PATHS["x86_64"]}, arm64: {PATHS["arm64"]}}}}}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Serve an account."""
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), region=REGION, clock=ScaledClock(100)) as aws:
        yield aws


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a configuration."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "small.yaml").write_text(CONFIG)
    return folder


@pytest.fixture
def run(cloud, place, world, monkeypatch, capsys):
    """Run one command in this process; give exit code, stdout and stderr."""
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place)
    monkeypatch.setattr("kubecfn.image.programs.Publishers", lambda: world.publishers)
    monkeypatch.setattr("kubecfn.image.lock.RELEASES", ["1.36"])
    for module in ("deploy.apply", "deploy.bucket", "deploy.changeset", "deploy.follow", "image.bake"):
        monkeypatch.setattr(f"kubecfn.{module}.RealClock", lambda: cloud.clock, raising=False)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["kubecfn", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(ended.value.code or 0), out, err

    return command


@pytest.fixture
def locked(run, place):
    """See to it that there is a lock."""
    if not (place / "image-lock.json").exists():
        assert run("image-lock")[0] == 0


@pytest.fixture(scope="module")
def said():
    """What the command said when the images were baked first."""
    return {}


@pytest.fixture
def baked(run, locked, said):
    """See to it that the images were baked once; give what the command said."""
    if not said:
        code, out, err = run("image", "--config", "small.yaml", "--yes", "--output", "json")
        assert code == 0, err
        said.update(json.loads(out))
    return said


def parameters(cloud):
    ssm = cloud.client("ssm")
    return {arch: ssm.get_parameter(Name=path)["Parameter"]["Value"] for arch, path in PATHS.items()}


def root_of(cloud, build):
    *_, name, version, number = build.replace(":image/", "/").split("/")
    return cloud._workdir / "images" / f"{name}-{version}-{number}" / "root"


def test_without_a_lock_nothing_is_asked_of_aws(cloud, run, tmp_path):
    """Baking without a lock is refused with the command that makes it."""
    cloud.recorder.clear()
    code, _, err = run("image", "--config", "small.yaml", "--yes", "--lock", tmp_path / "none.json")

    assert (code, "make image-lock" in err) == (1, True)
    assert not cloud.recorder.calls


def test_the_lock_is_written_whole_or_not_at_all(run, world, place, tmp_path):
    """A publisher that is not there leaves the old lock as it was; the command says who is missing."""
    target = tmp_path / "lock.json"
    target.write_text("old")
    path = next(one for one in world.files if one.endswith("SHA256SUMS"))
    kept = world.files.pop(path)
    try:
        code, _, err = run("image-lock", "--to", target)
    finally:
        world.files[path] = kept

    assert (code, "SHA256SUMS (404)" in err, target.read_text()) == (1, True, "old")
    assert [one.name for one in tmp_path.iterdir()] == ["lock.json"]


@pytest.mark.parametrize(
    ("release", "code", "says"),
    [
        ("runc=9.9.9", 1, "v9.9.9/runc.sha256sum (404)"),
        ("helm=1.0.0", 2, "there is no helm"),
        ("runc=latest", 2, "'latest'"),
    ],
)
def test_another_release_can_be_named(run, tmp_path, release, code, says):
    """A named release is asked for; what is no program of an image or no version is refused."""
    found, _, err = run("image-lock", "--to", tmp_path / "lock.json", "--release", release)

    assert (found, says in err) == (code, True), err


def test_a_dry_run_changes_nothing(cloud, run, locked):
    """The explanation names what would be made, and nothing is left of the asking."""
    code, out, err = run("image", "--config", "small.yaml", "--dry-run")

    assert code == 0, err
    assert STACK in out
    assert not [
        one
        for one in cloud.client("cloudformation").list_stacks()["StackSummaries"]
        if one["StackStatus"] == "CREATE_COMPLETE"
    ]


def test_many_tags_send_the_template_through_the_bucket(cloud, run, locked, place):
    """A template larger than a request goes through the artifact bucket; a dry run does not make one."""
    tags = ", ".join(f"team-{number}: {'x' * 60}" for number in range(20))
    (place / "tagged.yaml").write_text(f"{CONFIG}tags: {{{tags}}}\n")
    code, out, err = run("image", "--config", "tagged.yaml", "--dry-run")

    assert (code, "larger than" in err, STACK in out) == (0, True, True), err
    assert not cloud.client("s3").list_buckets()["Buckets"]


def test_a_stack_that_cannot_be_made_names_this_command(cloud, run, locked):
    """When CloudFormation failed, the way back is the image's command, not the cluster's."""
    cloud.faults.add(kind="denied", operation="CreateImageRecipe", times=100, internal=True)
    try:
        code, _, err = run("image", "--config", "small.yaml", "--yes")
    finally:
        cloud.faults.clear()
    assert (code, "(AWS::ImageBuilder::ImageRecipe) failed" in err) == (1, True), err

    code, _, err = run("image", "--config", "small.yaml", "--dry-run")
    assert (code, "kubecfn apply" in err, "kubecfn image --config small.yaml would ask" in err) == (1, False, True), err


def test_both_architectures_are_baked(cloud, baked):
    """Each architecture's image is registered for it, and its ID kept where the configuration reads it."""
    amis = {one["architecture"]: one["ami"] for one in baked["images"]}
    found = cloud.client("ec2").describe_images(ImageIds=list(amis.values()))["Images"]

    asked = [one.call.params for one in cloud.recorder.calls if one.call.operation == "ModifyImageAttribute"]

    assert parameters(cloud) == amis
    assert {one["ImageId"]: one["ImdsSupport"] for one in asked} == {ami: {"Value": "v2.0"} for ami in amis.values()}
    assert {one["ImageId"]: one["Architecture"] for one in found} == {ami: arch for arch, ami in amis.items()}
    for one in found:
        tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        assert tags["kubecfn:kubernetes"] == "1.36.3"


def test_the_configuration_reads_what_was_baked(cloud, run, baked, place):
    """A cluster's template is emitted for the image that was baked last."""
    config = load(place / "small.yaml")
    found = look_up(config, connect(REGION), found_from(config), "small.yaml")

    assert dict(found.images) == parameters(cloud)


def test_every_step_was_run(cloud, world, baked):
    """In the image lie the publishers' programs and plugins, boto3, and the container images were imported."""
    for one in baked["images"]:
        root = root_of(cloud, one["build"])
        assert (root / "usr/local/bin/kubelet").read_bytes() == world.at(
            f"{world.publishers.kubernetes}/release/v1.36.3/bin/linux/amd64/kubelet"
        )
        assert {path.name for path in (root / "opt/cni/bin").iterdir()} == {"bridge", "flannel", "loopback"}
        assert (root / "usr/local/lib/python3.9/site-packages/boto3/__init__.py").is_file()
        assert (root / "var/log/dnf.asked").read_text().split()[-1] == "socat"
        imported = [line for line in (root / "var/log/ctr.asked").read_text().splitlines() if " images import " in line]
        assert len(imported) == len(world.images)
        assert not (root / "var/tmp/kubecfn-image").exists()


def test_baking_again_finds_it_done(cloud, run, baked):
    """The same recipe is baked once; --again bakes a newer image of it."""
    before = parameters(cloud)
    code, out, err = run("image", "--config", "small.yaml", "--yes", "--output", "json")
    assert (code, {one["architecture"]: one["ami"] for one in json.loads(out)["images"]}) == (0, before), err
    assert json.loads(out)["stack"]["changed"] is False

    assert run("image", "--config", "small.yaml", "--yes", "--again")[0] == 0
    after = parameters(cloud)
    assert all(after[arch] != ami for arch, ami in before.items())


def test_another_lock_makes_another_recipe(cloud, run, baked, place, world):
    """What is immutable is made anew under another version, the old is deleted, and the new is baked."""
    imagebuilder = cloud.client("imagebuilder")
    pipeline = baked["stack"]["stack"]["outputs"]["PipelineX86"]
    before = imagebuilder.get_image_pipeline(imagePipelineArn=pipeline)["imagePipeline"]["imageRecipeArn"]
    url = f"{world.publishers.kubernetes}/release/v1.36.3/bin/linux/amd64/kubectl"
    world.put(url, world.at(url) + b"# a rebuilt release\n")
    world.put(f"{url}.sha256", hashlib.sha256(world.at(url)).hexdigest())
    assert run("image-lock")[0] == 0
    code, out, err = run("image", "--config", "small.yaml", "--yes")

    assert code == 0, err
    after = imagebuilder.get_image_pipeline(imagePipelineArn=pipeline)["imagePipeline"]["imageRecipeArn"]
    assert after != before
    assert after.rpartition("/")[0] == before.rpartition("/")[0]
    with pytest.raises(imagebuilder.exceptions.ResourceNotFoundException):
        imagebuilder.get_image_recipe(imageRecipeArn=before)
    assert "x86_64" in out


def test_a_step_that_fails_is_said(cloud, run, baked, world):
    """Bytes that are not the lock's end the build; the error names step, file and log, and the old image stays."""
    before = parameters(cloud)
    url = f"{world.publishers.github}/opencontainers/runc/releases/download/v1.4.3/runc.arm64"
    kept = world.at(url)
    world.put(url, b"something else")
    try:
        code, _, err = run("image", "--config", "small.yaml", "--yes", "--again")
    finally:
        world.put(url, kept)

    assert code == 1
    assert "The image for arm64 was not baked" in err
    assert "FetchPrograms" in err
    assert "it is not what was locked" in err
    assert "/aws/imagebuilder/kubecfn-1-36-arm64" in err
    assert parameters(cloud)["arm64"] == before["arm64"]
    assert parameters(cloud)["x86_64"] != before["x86_64"]


def test_who_stops_watching_stops_nothing(cloud, run, baked, monkeypatch):
    """Ctrl-C while watching leaves the builds alone; the command that is named watches them, and begins none anew."""

    def interrupted(_seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        sleep = cloud.clock.sleep
        patched.setattr("kubecfn.image.follow.POLL_SECONDS", -1)
        patched.setattr(cloud.clock, "sleep", lambda seconds: (interrupted if seconds < 0 else sleep)(seconds))
        code, _, err = run("image", "--config", "small.yaml", "--yes", "--again")
    assert (code, "Image Builder goes on without us" in err) == (1, True), err
    assert "kubecfn image --config small.yaml" in err

    outputs, client = baked["stack"]["stack"]["outputs"], cloud.client("imagebuilder")
    begun = {
        client.list_image_pipeline_images(imagePipelineArn=outputs[name])["imageSummaryList"][0]["arn"]
        for name in ("PipelineX86", "PipelineArm64")
    }
    cloud.recorder.clear()
    code, out, err = run("image", "--config", "small.yaml", "--yes", "--output", "json")
    assert code == 0, err
    assert not cloud.recorder.by("StartImagePipelineExecution")
    assert {one["build"] for one in json.loads(out)["images"]} == begun
    assert {one["architecture"]: one["ami"] for one in json.loads(out)["images"]} == parameters(cloud)


def test_an_image_of_someone_elses_is_not_taken_for_ours(cloud, run, baked):
    """When the parameter names what this recipe did not make, this recipe's image is baked."""
    amazons = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    foreign = cloud.client("ssm").get_parameter(Name=amazons)["Parameter"]["Value"]
    cloud.client("ssm").put_parameter(Name=PATHS["x86_64"], Value=foreign, Overwrite=True)
    before = parameters(cloud)
    code, _, err = run("image", "--config", "small.yaml", "--yes")

    assert code == 0, err
    after = parameters(cloud)
    assert after["x86_64"] != foreign
    assert after["arm64"] == before["arm64"]


def test_the_printed_template_is_the_stacks(cloud, run, baked):
    """What --template prints is what was sent, and asks AWS for nothing."""
    cloud.recorder.clear()
    code, out, _ = run("image", "--config", "small.yaml", "--template")

    assert code == 0
    assert not cloud.recorder.calls
    kinds = {one["Type"] for one in yaml.load(out, Loader=_Loader)["Resources"].values()}
    assert "AWS::ImageBuilder::ImagePipeline" in kinds


def test_the_stack_is_deleted_and_images_stay(cloud, baked):
    """Deleting the stack leaves no pipeline, and every image and parameter as it was."""
    before = parameters(cloud)
    cloud.client("cloudformation").delete_stack(StackName=STACK)
    waiter = cloud.client("cloudformation").get_waiter("stack_delete_complete")
    waiter.wait(StackName=STACK, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})

    assert parameters(cloud) == before
    imagebuilder = cloud.client("imagebuilder")
    with pytest.raises(imagebuilder.exceptions.ResourceNotFoundException):
        imagebuilder.get_image_pipeline(imagePipelineArn=baked["stack"]["stack"]["outputs"]["PipelineX86"])


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, which nobody here reads."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
