import pytest

from kubecfn.config import Found, found_from, load_text
from kubecfn.deploy.lookup import look_up
from kubecfn.errors import AwsError, ConfigError

AMI = "ami-12c6146b"
BASE = """
name: payments
region: eu-central-1
dns: {dns}
image: {image}
{more}
"""


def config(*, dns="{parent_zone: example.com}", image=f"{{ami: {{x86_64: {AMI}}}}}", more=""):
    return load_text(BASE.format(dns=dns, image=image, more=more))


@pytest.fixture(scope="module")
def images():
    """One of Amazon's images is looked up here."""
    return True


@pytest.fixture
def account(operator):
    """An account with one VPC, two subnets in it, one elsewhere, and one public zone."""
    ec2, dns = operator.aws.client("ec2"), operator.aws.client("route53")
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        for subnet in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]:
            ec2.delete_subnet(SubnetId=subnet["SubnetId"])
        ec2.delete_vpc(VpcId=vpc["VpcId"])
    operator.vpc = make_vpc(ec2, "shared", "10.50.0.0/16")
    operator.subnets = [
        make_subnet(ec2, operator.vpc, f"private-{letter}", f"10.50.{number}.0/24", letter)
        for number, letter in enumerate("ab")
    ]
    operator.zone = dns.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"].split("/")[-1]
    return operator


def make_vpc(ec2, name, cidr):
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": name}, {"Key": "team", "Value": "platform"}]}]
    return ec2.create_vpc(CidrBlock=cidr, TagSpecifications=tags)["Vpc"]["VpcId"]


def make_subnet(ec2, vpc, name, cidr, letter):
    tags = [{"ResourceType": "subnet", "Tags": [{"Key": "Name", "Value": name}]}]
    return ec2.create_subnet(
        VpcId=vpc, CidrBlock=cidr, AvailabilityZone=f"eu-central-1{letter}", TagSpecifications=tags
    )["Subnet"]["SubnetId"]


def found(account, **sections):
    wanted = config(**sections)
    return look_up(wanted, account.aws, found_from(wanted), "config/payments.yaml")


def problems(account, **sections):
    with pytest.raises(ConfigError) as raised:
        found(account, **sections)
    assert raised.value.exit_code == 2
    return {problem.path: f"{problem.value}: {problem.reason}. {problem.remedy}" for problem in raised.value.problems}


def test_a_new_cluster_needs_only_its_parent_zone_found(account):
    """By name: the zone's ID; for a new VPC: which zones of the region it takes."""
    result = found(account)

    assert result.parent_zone_id == account.zone
    assert result.zones == ("eu-central-1a", "eu-central-1b", "eu-central-1c")
    assert result.images == {"x86_64": AMI}


VPC = "network: {{vpc: {{{key}, private_subnets: [{{name: private-a}}, {{name: private-b}}]}}}}"


@pytest.mark.parametrize("key", ["name: shared", "tags: {team: platform}"])
def test_a_vpc_and_its_subnets_are_found_by_name_or_tags(account, key):
    """Readable names become IDs, with the subnets' zones and the VPC's network."""
    result = found(account, more=VPC.format(key=key))

    assert (result.vpc_id, result.vpc_cidr) == (account.vpc, "10.50.0.0/16")
    assert [subnet.id for subnet in result.private_subnets] == account.subnets
    assert [subnet.zone for subnet in result.private_subnets] == ["eu-central-1a", "eu-central-1b"]


def test_no_vpc_of_that_name_is_a_problem(account):
    """None is said with the region, since names are regional."""
    assert (
        "nobody: is not a VPC in eu-central-1" in problems(account, more=VPC.format(key="name: nobody"))["network.vpc"]
    )


def test_several_vpcs_of_one_name_are_listed(account):
    """Ambiguity is never resolved by order: the IDs are listed."""
    other = make_vpc(account.aws.client("ec2"), "shared", "10.51.0.0/16")

    said = problems(account, more=VPC.format(key="name: shared"))["network.vpc"]

    assert "fits 2 VPCs" in said
    assert account.vpc in said
    assert other in said


def test_a_subnet_of_another_vpc_is_a_problem(account):
    """A subnet has to lie in the VPC that is meant."""
    ec2 = account.aws.client("ec2")
    other = make_vpc(ec2, "other", "10.60.0.0/16")
    stray = make_subnet(ec2, other, "stray", "10.60.0.0/24", "a")
    more = f"network: {{vpc: {{id: {account.vpc}, private_subnets: [{{id: {stray}}}]}}}}"

    assert f"is in {other}, not in {account.vpc}" in problems(account, more=more)["network.vpc.private_subnets[0]"]


def test_two_subnets_of_one_zone_are_a_problem(account):
    """A load balancer takes one subnet for each zone."""
    make_subnet(account.aws.client("ec2"), account.vpc, "private-a2", "10.50.9.0/24", "a")
    more = "network: {vpc: {name: shared, private_subnets: [{name: private-a}, {name: private-a2}]}}"

    assert "eu-central-1a" in problems(account, more=more)["network.vpc.private_subnets"]


def test_a_found_network_that_overlaps_the_pods_is_a_problem(account):
    """The VPC's real network is known only now, so the overlap is looked for again."""
    more = VPC.format(key="name: shared").replace("{vpc:", "{pod_cidr: 10.50.128.0/17, vpc:")

    assert "overlaps the VPC's network 10.50.0.0/16" in problems(account, more=more)["network.pod_cidr"]


def test_a_missing_parent_zone_is_a_problem(account):
    """The zone must be this account's."""
    said = problems(account, dns="{parent_zone: nowhere.example.org}")["dns.parent_zone"]

    assert "nowhere.example.org: is not a public hosted zone" in said
    assert "private: true" in said


def test_two_public_zones_of_one_name_are_listed_with_their_ids(account):
    """Only a person knows which one the registrar points to."""
    made = account.aws.client("route53").create_hosted_zone(Name="example.com", CallerReference="2")
    second = made["HostedZone"]["Id"].split("/")[-1]

    said = problems(account)["dns.parent_zone"]

    assert account.zone in said
    assert second in said
    assert "parent_zone_id" in said


def test_a_private_zone_of_the_same_name_does_not_count(account):
    """Split-horizon zones are common: the public one is meant."""
    vpc = {"VPCRegion": "eu-central-1", "VPCId": account.vpc}
    account.aws.client("route53").create_hosted_zone(
        Name="example.com", CallerReference="3", VPC=vpc, HostedZoneConfig={"PrivateZone": True}
    )

    assert found(account).parent_zone_id == account.zone


def test_a_parent_zone_by_id_tells_its_name_and_must_exist(account):
    """The ID alone is enough; a wrong one is a problem."""
    wanted = config(dns="{parent_zone_id: Z1}")
    dns = wanted.dns.model_copy(update={"parent_zone_id": account.zone})  # emulated zones' IDs lack AWS's leading Z
    wanted = wanted.model_copy(update={"dns": dns})

    assert look_up(wanted, account.aws, found_from(wanted)).parent_zone == "example.com"
    assert "is not a hosted zone" in problems(account, dns="{parent_zone_id: ZNOTHERE}")["dns.parent_zone_id"]


def test_more_zones_than_the_region_has_are_a_problem(account):
    """The region's own zones are counted and named."""
    said = problems(account, more="network: {zones: 6}")["network.zones"]

    assert "is more than eu-central-1 has (3: eu-central-1a, eu-central-1b, eu-central-1c)" in said


def test_a_zone_the_region_lacks_is_a_problem(account):
    """Named zones must exist."""
    said = problems(account, more="network: {zones: [eu-central-1a, eu-central-1z]}")["network.zones"]

    assert said.startswith("eu-central-1z: is not a zone")


def test_an_image_that_is_not_there_is_a_problem(account):
    """Images are regional."""
    said = problems(account, image="{ami: {x86_64: ami-00000000}}")["image.ami.x86_64"]

    assert "is not an image this account can use in eu-central-1" in said


def test_an_image_for_the_other_architecture_is_a_problem(account):
    """An x86_64 image never boots a Graviton instance."""
    said = problems(account, image=f"{{ami: {{arm64: {AMI}}}}}", more="controllers: {instance_type: m7g.large}")[
        "image.ami.arm64"
    ]

    assert "is an image for x86_64, not arm64" in said


def test_an_image_is_read_from_its_parameter(account):
    """The ID found stands in the template; a missing parameter is a problem."""
    account.aws.client("ssm").put_parameter(Name="/images/node", Value=AMI, Type="String")

    assert found(account, image="{ssm: {x86_64: /images/node}}").images == {"x86_64": AMI}
    assert "is not a parameter" in problems(account, image="{ssm: {x86_64: /images/gone}}")["image.ssm.x86_64"]


def test_an_instance_type_the_zones_do_not_offer_is_a_problem(account):
    """Offerings differ from zone to zone."""
    said = problems(account, more="controllers: {instance_type: zz9.large}")["controllers.instance_type"]

    assert "is not offered in eu-central-1a" in said


def test_every_problem_is_told_at_once(account):
    """A person mends a file once, not once for each mistake."""
    said = problems(
        account,
        dns="{parent_zone: nowhere.example.org}",
        image="{ami: {x86_64: ami-00000000}}",
        more="network: {zones: 6}",
    )

    assert {"dns.parent_zone", "image.ami.x86_64", "network.zones"} <= set(said)


@pytest.mark.parametrize("kind", ["throttle", "error", "denied"])
def test_what_could_not_be_asked_is_never_taken_for_absent(account, impatient, kind):
    """'I could not ask' is AWS's failure, not the configuration's: for every look-up."""
    for operation in (
        "DescribeAvailabilityZones",
        "DescribeVpcs",
        "DescribeSubnets",
        "ListHostedZones",
        "DescribeImages",
        "DescribeInstanceTypeOfferings",
    ):
        account.embedded.faults.add(kind=kind, operation=operation, times=10**6)

        with pytest.raises(AwsError):
            found(account, more=VPC.format(key="name: shared"))

        account.embedded.faults.clear()
    assert found(account, more=VPC.format(key="name: shared")).vpc_id == account.vpc


def test_nothing_to_look_up_still_sees_that_everything_is_there(account):
    """A configuration that gives every ID is verified all the same."""
    result = found(account, dns="{private: true, domain: payments.internal.example.com}")

    assert isinstance(result, Found)
    assert result.parent_zone_id is None
