"""The stack's template: plain, right in every partition, and new wherever its content is."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import yaml

from kubecfn.errors import KubecfnError
from kubecfn.image.bake import NOT_FOR_IMAGES, needs_bucket, text_of
from kubecfn.image.document import _document, files_document, install_document, version_of
from kubecfn.image.lock import Lock
from kubecfn.image.programs import ARCHITECTURES, GO, WHEELS, container_images, downloads
from kubecfn.image.template import Bake, build_image
from kubecfn.template.lint import lint
from kubecfn.template.rules import check
from kubecfn.versions import RELEASES, Version, choose

V136 = choose("1.36")


@pytest.fixture
def bake(lock):
    """Both architectures of 1.36."""
    return Bake(V136, ARCHITECTURES, lock, tags={"team": "payments"})


def resources(bake, kind):
    found = build_image(bake).to_dict()["Resources"]
    return {name: one["Properties"] for name, one in found.items() if one["Type"] == f"AWS::ImageBuilder::{kind}"}


@pytest.mark.parametrize("region", ["eu-central-1", "cn-north-1"])
def test_the_template_passes_cfn_lint(bake, region):
    """cfn-lint finds nothing in it, in any partition."""
    assert lint(text_of(bake, region), region) == []


def test_the_template_keeps_our_rules(bake):
    """Of our rules it breaks only the two that are about clusters' nodes and their key."""
    found = {one.code for one in check(build_image(bake).to_dict(), "eu-central-1")}

    assert found == NOT_FOR_IMAGES


def test_a_rule_that_is_broken_ends_it(bake, monkeypatch):
    """A template that breaks any other rule is not sent."""
    monkeypatch.setattr("kubecfn.image.bake.NOT_FOR_IMAGES", frozenset())

    with pytest.raises(KubecfnError, match="K304"):
        text_of(bake, "eu-central-1")


def test_the_template_fits_into_a_request(bake):
    """No bucket is needed for both architectures."""
    assert not needs_bucket(text_of(bake, "eu-central-1"))


def test_the_same_is_the_same_bytes(bake):
    """The template and every version in it are made of the content alone."""
    assert text_of(bake, "eu-central-1") == text_of(replace(bake), "eu-central-1")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_image_is_encrypted_and_of_todays_amazon_linux(bake, architecture):
    """The parent is Amazon's newest for this architecture, found anew by every build, and the disk is encrypted."""
    (recipe,) = [one for one in resources(bake, "ImageRecipe").values() if one["ParentImage"].endswith(architecture)]

    assert recipe["ParentImage"].startswith("ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-")
    assert [one["Ebs"]["Encrypted"] for one in recipe["BlockDeviceMappings"]] == [True]
    assert recipe["AmiTags"]["kubecfn:kubernetes"] == str(V136.kubernetes)


def test_the_result_is_kept_where_the_service_may_write(bake):
    """Image Builder's own role may write parameters below /imagebuilder/ alone."""
    (one, two) = resources(bake, "DistributionConfiguration").values()
    names = [
        kept["ParameterName"] for each in (one, two) for kept in each["Distributions"][0]["SsmParameterConfigurations"]
    ]

    assert names == [f"/imagebuilder/kubecfn/1.36/{architecture}" for architecture in ARCHITECTURES]


def test_building_instances_have_the_second_metadata_version_only(bake):
    """The building instance takes no metadata request without a token, and ends when its build fails."""
    for one in resources(bake, "InfrastructureConfiguration").values():
        assert one["InstanceMetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
        assert one["TerminateInstanceOnFailure"] is True
        assert "SubnetId" not in one


def test_a_place_to_build_can_be_named(bake):
    """A subnet and security groups go to every architecture's instance."""
    placed = replace(bake, subnet="subnet-0123456789abcdef0", security_groups=("sg-0123456789abcdef0",))
    for one in resources(placed, "InfrastructureConfiguration").values():
        assert (one["SubnetId"], one["SecurityGroupIds"]) == ("subnet-0123456789abcdef0", ["sg-0123456789abcdef0"])


def _versions(bake):
    return {
        name: one["Version"] for kind in ("Component", "ImageRecipe") for name, one in resources(bake, kind).items()
    }


def test_another_sum_makes_other_versions_of_what_holds_it(bake, lock):
    """One changed SHA-256 of arm64 renews arm64's component and recipe, and nothing of x86_64's."""
    key = next(key for key in lock.files if key.startswith("runc") and key.endswith("arm64"))
    files = {**lock.files, key: replace(lock.files[key], sha256="c" * 64)}
    before, after = _versions(bake), _versions(replace(bake, lock=replace(lock, files=files)))

    assert {name for name in before if before[name] != after[name]} == {"FilesComponentArm64", "RecipeArm64"}


def test_versions_are_semantic_and_of_the_content():
    """The minor comes first, the content last; every part is a number that Image Builder takes."""
    one, two = version_of("1.36", "a", "b"), version_of("1.36", "ab")

    assert one != two
    assert version_of("1.36", "a", "b") == one
    assert all(re.fullmatch(r"1\.36\.\d+", each) and int(each.split(".")[2]) < 2**30 for each in (one, two))


def test_names_hold_what_arns_can(bake):
    """No two resources of a kind have one name, and none has what an ARN cannot."""
    for kind in (
        "Component",
        "ImageRecipe",
        "InfrastructureConfiguration",
        "DistributionConfiguration",
        "ImagePipeline",
    ):
        names = [one["Name"] for one in resources(bake, kind).values()]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)


def test_documents_are_what_image_builder_takes(lock):
    """Each document is YAML of schema 1.0 below 16,000 characters with named phases and steps."""
    for text in (install_document(V136), *(files_document(V136, one, lock) for one in ARCHITECTURES)):
        data = yaml.safe_load(text)
        assert (data["schemaVersion"], len(text) < 16_000) == (1.0, True)
        assert {step["action"] for phase in data["phases"] for step in phase["steps"]} == {"ExecuteBash"}


def test_a_document_too_large_is_refused():
    """What Image Builder would refuse is refused before anything is sent."""
    with pytest.raises(KubecfnError, match="Image Builder takes 16,000"):
        _document("large", [("Step", 1, "x" * 16_000)])


def test_what_the_lock_lacks_is_named(bake, lock):
    """A lock of other versions than the configuration's ends it with what is missing and the command."""
    older = replace(bake, versions=replace(V136, etcd=Version(3, 6, 15)))
    with pytest.raises(KubecfnError, match=r"nothing of etcd 3\.6\.15 \(x86_64\)") as error:
        build_image(older)
    assert "image-lock" in error.value.remedy

    without = Lock(lock.files, {}, lock.beside, lock.registry)
    with pytest.raises(KubecfnError, match=r"nothing of the container image ghcr\.io/flannel-io"):
        build_image(replace(bake, lock=without))


@pytest.mark.parametrize("line", RELEASES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_publishers_are_asked_over_https_for_this_architecture(line, architecture):
    """Every file of every minor has its publisher's sums; what is compiled is of the wanted architecture."""
    wanted = downloads(choose(line), architecture)

    assert all(one.sums.startswith("https://") for one in wanted)
    compiled = [one for one in wanted if one.name not in WHEELS]
    assert all(GO[architecture] in one.url for one in compiled)
    assert {one.architecture for one in compiled} == {architecture}


def test_an_unknown_minor_has_no_images():
    """A minor whose images nobody wrote down is refused, not guessed."""
    with pytest.raises(KubecfnError, match=r"1\.33\.0"):
        container_images(replace(V136, kubernetes=Version(1, 33, 0)))


def test_scripts_hold_nothing_that_image_builder_reads_as_its_own(lock):
    """Image Builder replaces what stands in double braces: no script of ours has any."""
    for text in (install_document(V136), files_document(V136, "arm64", lock)):
        assert "{{" not in json.dumps(yaml.safe_load(text))
