"""What a person may write, and what is said about what they may not."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubecfn.config import Config, found_from, load, load_text, schema, show, still_to_find
from kubecfn.config.types import architecture_of, iso8601, seconds
from kubecfn.errors import ConfigError, FileError

SMALLEST = "name: payments\nregion: eu-central-1\ndns: {parent_zone: k8s.example.com}\n"
EXISTING_VPC = """
name: payments
region: eu-central-1
dns: {private: true, domain: payments.internal}
network:
  vpc:
    id: vpc-0123456789abcdef0
    cidr: 10.0.0.0/16
    private_subnets: [{id: subnet-0123456789abcdef0, zone: eu-central-1a}]
"""


def refused(text: str) -> list[str]:
    """Return every problem found in `text`, each as a person would read it."""
    with pytest.raises(ConfigError) as caught:
        load_text(text, "payments.yaml")
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_name_region_and_parent_zone_are_enough() -> None:
    """Everything has a default except the name, the region and the DNS parent."""
    config = load_text(SMALLEST)

    assert (config.controllers.count, config.egress, config.partition) == (3, "nat", "aws")
    assert still_to_find(config, found_from(config)) == ("the parent zone's ID", "the x86_64 image")


@pytest.mark.parametrize(
    "text", [SMALLEST, EXISTING_VPC, SMALLEST + "pools: [{name: a, spot: true, labels: {team: x}}]\n"]
)
def test_what_show_prints_is_the_same_cluster_with_every_default_written_out(text: str) -> None:
    """`config show` prints a file that loads and shows itself again unchanged."""
    shown = show(load_text(text))

    assert show(load_text(shown)) == shown
    assert yaml.safe_load(shown)["controllers"]["volume"]["type"] == "gp3"


def test_several_mistakes_are_shown_at_once() -> None:
    """A person mends a file once, not once for each mistake."""
    found = refused("name: Pay\nregion: eu\nregio: x\ndns: {privat: true}\ncontrollers: {count: 2}\n")

    assert {line.split(" ", 1)[0].rstrip(":") for line in found} == {
        "name",
        "region",
        "regio",
        "dns.privat",
        "controllers.count",
    }


@pytest.mark.parametrize(
    ("lines", "path", "says"),
    [
        ("controlers: {}", "controlers", "Did you mean controllers?"),
        ("pools: [{name: a, volume: {sise: 20}}]", "pools[0].volume.sise", "Did you mean size?"),
        ("controllers: {count: 4}", "controllers.count = 4", "must be 1, 3 or 5"),
        ("controllers: {count: '3'}", "controllers.count = 3", "must be 1, 3 or 5"),
        ("controllers: {instance_type: large}", "controllers.instance_type = large", "is not an EC2 instance type"),
        ("controllers: {signal_timeout: 2h}", "controllers.signal_timeout = 2h", "must be 1m to 1h"),
        ("controllers: {volume: {type: gp2, throughput: 125}}", "controllers.volume.throughput = 125", "gp3 only"),
        ("controllers: {volume: {type: io2}}", "controllers.volume.iops", "is required for io2"),
        ("network: {cidr: 10.0.0.1/16}", "network.cidr = 10.0.0.1/16", "Did you mean 10.0.0.0/16?"),
        ("network: {cidr: 10.0.0.0/8}", "network.cidr = 10.0.0.0/8", "must be /16 to /22"),
        (
            "network: {pod_cidr: 10.20.0.0/17}",
            "network.pod_cidr = 10.20.0.0/17",
            "overlaps network.cidr = 10.20.0.0/16",
        ),
        ("network: {service_cidr: 10.244.0.0/20}", "network.service_cidr = 10.244.0.0/20", "overlaps network.pod_cidr"),
        ("network: {zones: 9}", "network.zones = 9", "must be less than or equal to 6"),
        ("network: {zones: [us-east-1a]}", "network.zones = us-east-1a", "is not a zone of eu-central-1"),
        ("network: {egress: existing}", "network.egress = existing", "needs an existing VPC"),
        ("network: {egress: isolated}", "network.egress = isolated", "is not built yet"),
        ("api: {exposure: internet-facing}", "api.allowed_cidrs", "is required with an internet-facing API"),
        ("api: {exposure: public}", "api.exposure = public", "must be 'internal' or 'internet-facing'"),
        ("pools: [{name: a, min: 0, max: 0}]", "pools[0].max = 0", "can hold no worker"),
        ("pools: [{name: a-1}, {name: a1}]", "pools[].name = a-1", "by '-' alone"),
        ("pools: [{name: a, zones: [eu-central-1a]}]", "pools[0].zones", "does not say which are used"),
        (
            "network: {zones: [eu-central-1b]}\npools: [{name: a, zones: [eu-central-1a]}]",
            "pools[0].zones",
            "not among",
        ),
        ("pools: [{name: a, min: 5}]", "pools[0].min = 5", "is above max = 3"),
        ("pools: [{name: a}, {name: a}]", "pools[].name = a", "stands there 2 times"),
        (
            "pools: [{name: a, instance_types: [m7i.large, m7g.large]}]",
            "pools[0].instance_types",
            "mixes arm64 and x86_64",
        ),
        ("pools: [{name: a, spot: true, tenancy: dedicated}]", "pools[0].tenancy = dedicated", "no dedicated tenancy"),
        ("pools: [{name: a, labels: {node-role.kubernetes.io/x: ''}}]", "pools[0].labels", "is reserved"),
        ("pools: [{name: a, labels: {up: true}}]", "pools[0].labels.up = true", "Put it in quotes"),
        (
            "pools: [{name: a, taints: [{key: k, effect: Never}]}]",
            "pools[0].taints[0].effect = Never",
            "must be 'NoSchedule'",
        ),
        ("image: {ami: {arm64: ami-12345678}}", "image = x86_64", "has nodes but no image"),
        ("image: {ami: {x86_64: my-image}}", "image.ami.x86_64 = my-image", "is not an AMI ID"),
        ("backup: {every: 10s}", "backup.every = 10s", "must be 1m or longer"),
        ("backup: {keep: 36h}", "backup.keep = 36h", "must be whole days"),
        ("backup: {every: five}", "backup.every = five", "is not a duration"),
        ("artifacts: {bucket: My_Bucket}", "artifacts.bucket = My_Bucket", "is not a bucket name"),
        ("artifacts: {bucket: ours}", "artifacts.kms_key", "is required with an existing bucket"),
        ("kubernetes: 1.33", "kubernetes = 1.33", "known minors: 1.34, 1.35, 1.36"),
        ("etcd: 3.5.30", "kubernetes = 1.36", "does not go with Kubernetes"),
        ("tags: {'aws:x': y}", "tags.aws:x = y", "AWS refuses it"),
    ],
)
def test_a_mistake_names_the_path_the_value_and_what_is_allowed(lines: str, path: str, says: str) -> None:
    """A mistake names where, what stands there, what is allowed, and a remedy."""
    found = refused(SMALLEST + lines + "\n")

    assert any(line.startswith(path) and says in line for line in found), found


@pytest.mark.parametrize(
    ("dns", "says"),
    [
        ("{}", "needs parent_zone, parent_zone_id, or private: true"),
        ("{private: true}", "is required with private: true"),
        ("{private: true, domain: a.b, parent_zone: b.c}", "a private zone has no parent zone"),
        ("{parent_zone: example.com, domain: payments.other.com}", "must lie below the parent zone example.com"),
        ("{parent_zone_id: abc}", "is not a hosted zone ID"),
        ("{parent_zone: example}", "is not a domain name"),
    ],
)
def test_the_zone_is_public_under_a_parent_or_private(dns: str, says: str) -> None:
    """The cluster's zone has a parent or is private, never both, never neither."""
    assert any(says in line for line in refused(f"name: a\nregion: eu-central-1\ndns: {dns}\n"))


def test_govcloud_has_no_public_zones() -> None:
    """GovCloud has no public hosted zones: a private one is offered."""
    assert any("Write private: true" in line for line in refused(SMALLEST.replace("eu-central-1", "us-gov-west-1")))
    private = "name: a\nregion: us-gov-west-1\ndns: {private: true, domain: a.internal}\n"
    assert load_text(private).partition == "aws-us-gov"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("id: vpc-0123456789abcdef0", "name: ''"), "network.vpc.name"),
        (("    id: vpc-0123456789abcdef0\n", ""), "needs id, name or tags"),
        (("id: subnet-0123456789abcdef0, zone", "zone"), "network.vpc.private_subnets[0]: needs id or name"),
        (("network:\n", "network:\n  egress: nat\n"), "needs a new VPC"),
        (("network:\n", "network:\n  cidr: 10.0.0.0/16\n"), "is the network of a new VPC"),
        (("10.0.0.0/16", "10.244.0.0/16"), "overlaps network.vpc.cidr"),
    ],
)
def test_an_existing_vpc_is_named_whole_and_keeps_its_routes(change: tuple[str, str], says: str) -> None:
    """An existing VPC is named by ID, name or tags, with subnets, and nothing in it is routed anew."""
    assert load_text(EXISTING_VPC).egress == "existing"
    assert any(says in line for line in refused(EXISTING_VPC.replace(*change)))


def test_ids_that_are_written_down_need_no_look_up() -> None:
    """What the configuration gives by ID is found without asking AWS."""
    config = load_text(EXISTING_VPC + "image: {ami: {x86_64: ami-0123456789abcdef0}}\n")

    assert still_to_find(config, found_from(config)) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: a\nname: b\n", "the key name stands there twice"),
        ("name: [\n", "is not YAML"),
        ("", "is empty"),
        ("- a\n", "is a list"),
        ("1: a\n", "is not text"),
        ("name: !!python/object:os.system {}\n", "is not YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_said_to_be_so(text: str, says: str) -> None:
    """A file that YAML cannot read, or reads differently than it looks, is refused with the line."""
    assert any(says in line for line in refused(text))


def test_a_missing_file_is_one_sentence(tmp_path) -> None:
    """A missing configuration file names the path and where examples are."""
    with pytest.raises(FileError, match=r"There is no configuration file .*nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")


def test_a_minor_version_is_text_even_without_quotes() -> None:
    """YAML would read 1.30 as the number 1.3; here it stays what was written."""
    assert load_text(SMALLEST + "kubernetes: 1.34\n").kubernetes == "1.34"


def test_the_schema_knows_every_key() -> None:
    """The schema for editors is closed and describes the same keys as the models."""
    described = json.loads(schema())

    assert set(described["properties"]) == set(Config.model_fields)
    assert described["additionalProperties"] is False


@pytest.mark.parametrize(
    ("instance_type", "architecture"),
    [
        ("m7i.large", "x86_64"),
        ("m7g.large", "arm64"),
        ("c7gn.xlarge", "arm64"),
        ("g5g.xlarge", "arm64"),
        ("g4dn.xlarge", "x86_64"),
        ("im4gn.large", "arm64"),
        ("a1.large", "arm64"),
        ("p4de.24xlarge", "x86_64"),
        ("u7i-12tb.224xlarge", "x86_64"),
        ("x2gd.large", "arm64"),
        ("r8gd.large", "arm64"),
    ],
)
def test_the_architecture_is_read_off_the_instance_type(instance_type: str, architecture: str) -> None:
    """A g after the generation number is Graviton; a g before it is a graphics family."""
    assert architecture_of(instance_type) == architecture


@pytest.mark.parametrize(("text", "expected"), [("90s", "PT90S"), ("15m", "PT15M"), ("1h", "PT60M")])
def test_durations_become_cloudformations_own_form(text: str, expected: str) -> None:
    """CloudFormation's PauseTime is ISO 8601."""
    assert iso8601(text) == expected


@given(st.integers(1, 9999), st.sampled_from("smhd"))
def test_a_duration_is_a_number_of_seconds(count: int, unit: str) -> None:
    """s, m, h and d mean what they say."""
    assert seconds(f"{count}{unit}") == count * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_no_value_anywhere_ends_in_a_traceback(value: object) -> None:
    """Whatever stands in a file, the answer is a configuration or a ConfigError."""
    for key in ("name", "dns", "network", "pools", "image", "tags", "kubernetes"):
        text = yaml.safe_dump(
            {"name": "a", "region": "eu-central-1", "dns": {"private": True, "domain": "a.b"}, key: value}
        )
        try:
            load_text(text)
        except ConfigError as error:
            assert error.problems
