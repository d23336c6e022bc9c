"""What the stack promises about the network, names and the API's address."""

from __future__ import annotations

import ipaddress

import pytest

from kubecfn.template.rules.view import View


@pytest.mark.parametrize("zones", [1, 2, 3, 4, 5])
def test_another_zone_moves_no_subnet(make, zones):
    """A cluster that gains a zone keeps the subnets it has: AWS refuses a new subnet that overlaps an old one."""
    fewer, more = (make(f"network: {{zones: {count}}}") for count in (zones, zones + 1))

    for kind in ("PrivateSubnet", "PublicSubnet"):
        for number in range(1, zones + 1):
            assert fewer.properties(f"{kind}{number}") == more.properties(f"{kind}{number}")


@pytest.mark.parametrize(
    ("cidr", "zones"), [("10.20.0.0/16", 3), ("10.20.0.0/22", 6), ("10.20.0.0/20", 1), ("10.0.0.0/18", 4)]
)
def test_subnets_cover_the_network_without_overlap(make, cidr, zones):
    """Every zone has a private and a public subnet inside the VPC's network, and none overlaps another."""
    made = make(f"network: {{cidr: {cidr}, zones: {zones}}}")
    blocks = []
    for subnet in made.of_type("EC2::Subnet").values():
        position, division = subnet["CidrBlock"]["Fn::Select"]
        network, count, host_bits = division["Fn::Cidr"]
        assert network == {"Ref": "VpcCidr"}
        assert position < count
        inside = list(ipaddress.IPv4Network(cidr).subnets(new_prefix=32 - host_bits))
        blocks.append(inside[position])

    assert 2 * zones == len(blocks)
    assert not any(a.overlaps(b) for i, a in enumerate(blocks) for b in blocks[i + 1 :])


def test_every_zone_has_its_own_way_out(make):
    """A zone's outage takes no other zone's way out with it, unless one gateway was asked for."""
    per_zone, one = make(), make("network: {nat_gateways: one}")

    assert len(per_zone.of_type("EC2::NatGateway")) == 3
    assert len(one.of_type("EC2::NatGateway")) == 1
    tables = {one.properties(f"PrivateSubnet{n}Routes")["RouteTableId"]["Ref"] for n in (1, 2, 3)}
    assert {"PrivateRouteTable1"} == tables


def test_named_zones_are_parameters_and_numbered_ones_follow_the_region(mixed, minimal):
    """A number of zones deploys in any region; names stay what they are."""
    assert mixed.properties("PrivateSubnet2")["AvailabilityZone"] == {"Fn::Select": [1, {"Ref": "Zones"}]}
    assert mixed.data["Parameters"]["Zones"]["Default"].split(",")[1] == "us-east-1b"
    assert minimal.properties("PrivateSubnet2")["AvailabilityZone"] == {"Fn::Select": [1, {"Fn::GetAZs": ""}]}


def test_an_existing_vpc_is_left_as_it_is(examples):
    """Nothing of the network is made in a VPC that is not ours."""
    made = examples["existing-vpc-private"]
    kinds = {resource["Type"] for resource in made.data["Resources"].values()}

    assert not kinds & {
        "AWS::EC2::VPC",
        "AWS::EC2::Subnet",
        "AWS::EC2::Route",
        "AWS::EC2::VPCEndpoint",
        "AWS::EC2::EIP",
    }
    assert [{"Ref": f"PrivateSubnet{n}Id"} for n in (1, 2, 3)] == made.properties("Controllers")["VPCZoneIdentifier"]
    assert made.data["Parameters"]["PrivateSubnet1Id"]["Type"] == "AWS::EC2::Subnet::Id"


def test_a_private_zone_is_seen_from_its_vpc_alone(examples):
    """A private cluster is delegated from nowhere."""
    made = examples["existing-vpc-private"]

    assert made.properties("Zone")["VPCs"] == [{"VPCId": {"Ref": "VpcId"}, "VPCRegion": {"Ref": "AWS::Region"}}]
    assert "Delegation" not in made.data["Resources"]


def test_a_public_zone_is_delegated_from_its_parent(minimal):
    """The parent zone tells who answers for the cluster."""
    record = minimal.properties("Delegation")

    assert (record["Type"], record["HostedZoneId"]) == ("NS", {"Ref": "ParentZoneId"})
    assert record["ResourceRecords"] == {"Fn::GetAtt": ["Zone", "NameServers"]}
    assert "VPCs" not in minimal.properties("Zone")


def _sources(made, group):
    rules = [
        rule
        for rule in made.of_type("EC2::SecurityGroupIngress").values()
        if rule["GroupId"] == {"Fn::GetAtt": [group, "GroupId"]}
    ]
    return [rule.get("CidrIp", rule.get("SourceSecurityGroupId")) for rule in rules]


def test_an_internal_api_is_open_to_the_vpc_and_the_nodes_alone(make):
    """Without allowed networks only the VPC's own reaches the API, and the function that drains workers."""
    sources = _sources(make("pools: [{name: general}]"), "ApiSecurityGroup")

    assert [source for source in sources if "Ref" in source] == [{"Ref": "VpcCidr"}]
    assert {"ControllerSecurityGroup", "WorkerSecurityGroup", "WorkerFunctionSecurityGroup"} == {
        s["Fn::GetAtt"][0] for s in sources if "Fn::GetAtt" in s
    }


def test_a_public_api_lets_in_the_allowed_networks_and_its_own_nodes(mixed):
    """Nodes reach an internet-facing balancer from their NAT gateways' addresses, so those are let in, too."""
    sources = _sources(mixed, "ApiSecurityGroup")
    nat = [source["Fn::Sub"][1]["Address"]["Fn::GetAtt"][0] for source in sources if "Fn::Sub" in source]

    assert [source for source in sources if "Ref" in source] == [{"Ref": "ApiAllowedCidr1"}, {"Ref": "ApiAllowedCidr2"}]
    assert nat == ["NatAddress1", "NatAddress2", "NatAddress3"]
    assert {"Ref": "VpcCidr"} not in sources


def test_controllers_are_open_to_no_network(mixed):
    """Nothing but our own security groups reaches a node."""
    for group in ("ControllerSecurityGroup", "WorkerSecurityGroup"):
        assert all("Fn::GetAtt" in source for source in _sources(mixed, group))


def test_etcd_is_open_to_controllers_and_the_functions_that_ask_it_alone(mixed):
    """No worker reaches etcd's ports; functions reach its clients' port and not its peers'."""
    rules = mixed.of_type("EC2::SecurityGroupIngress").values()
    open_to = {
        port: {
            (rule["SourceSecurityGroupId"]["Fn::GetAtt"][0], rule["GroupId"]["Fn::GetAtt"][0])
            for rule in rules
            if rule.get("FromPort", 0) <= port <= rule.get("ToPort", -1)
        }
        for port in (2379, 2380)
    }

    controllers = ("ControllerSecurityGroup", "ControllerSecurityGroup")
    functions = ("EtcdFunctionsSecurityGroup", "ControllerSecurityGroup")
    assert open_to == {2379: {controllers, functions}, 2380: {controllers}}


@pytest.mark.parametrize(
    ("example", "scheme", "subnet"),
    [("minimal-public", "internal", "PrivateSubnet1"), ("five-mixed", "internet-facing", "PublicSubnet1")],
)
def test_the_balancer_stands_where_its_exposure_says(examples, example, scheme, subnet):
    """Internal balancers stand in private subnets, internet-facing ones in public subnets."""
    balancer = examples[example].properties("ApiLoadBalancer")

    assert (scheme, {"Ref": subnet}) == (balancer["Scheme"], balancer["Subnets"][0])


def test_a_balancer_with_a_public_address_comes_after_the_gateway(mixed):
    """EC2 refuses it before, and refuses to let the gateway go while it stands."""
    view = View(mixed.data, "us-east-1")

    assert "InternetGatewayAttachment" in view.needed_by("ApiLoadBalancer")


def test_the_name_in_every_kubeconfig_leads_to_the_balancer(minimal):
    """api.DOMAIN is an alias, so it follows the balancer's addresses."""
    record = minimal.properties("ApiRecord")

    assert record["Name"] == {"Fn::Sub": "api.${Domain}"}
    assert record["AliasTarget"]["DNSName"] == {"Fn::GetAtt": ["ApiLoadBalancer", "DNSName"]}
    assert record["HostedZoneId"] == {"Ref": "Zone"}
