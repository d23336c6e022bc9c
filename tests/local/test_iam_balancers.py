"""Rights about load balancers and security groups: what is made is judged by the tags it is to have, what is there by its own."""

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"total_max_attempts": 1})
TAG = "kubernetes.io/cluster/payments"
OWNED = {"StringEquals": {f"aws:ResourceTag/{TAG}": "owned"}}
ASKED = {"StringEquals": {f"aws:RequestTag/{TAG}": "owned"}}
BALANCING = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:"


def allow(action, condition=None, resource="*"):
    """Return a statement."""
    only = {"Condition": condition} if condition else {}
    return {"Effect": "Allow", "Action": action, "Resource": resource, **only}


def making(what, action="elasticloadbalancing:AddTags", key="elasticloadbalancing:CreateAction"):
    """Return the right to give tags in the call that makes something."""
    return allow(action, {"StringEquals": {key: what}})


def tags(value):
    """Return the cluster's tag."""
    return [{"Key": TAG, "Value": value}]


@pytest.fixture
def subnet(aws):
    """A subnet, and its network."""
    ec2 = aws.client("ec2")
    network = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    found = ec2.create_subnet(VpcId=network, CidrBlock="10.77.1.0/24")["Subnet"]
    yield found
    ec2.delete_subnet(SubnetId=found["SubnetId"])
    ec2.delete_vpc(VpcId=network)


def of(session):
    """Return what makes a session's clients, which ask once."""
    return lambda name: session.client(name, config=ONCE)


class Makes:
    """Makes a load balancer of each kind, and a security group, by whoever's session it is."""

    def __init__(self, client, subnet):
        self._client, self._subnet = client, subnet

    def network(self, value):
        """Make a network load balancer; return its ARN."""
        made = self._client("elbv2").create_load_balancer(
            Name="front", Type="network", Scheme="internal", Subnets=[self._subnet["SubnetId"]], Tags=tags(value)
        )
        return made["LoadBalancers"][0]["LoadBalancerArn"]

    def targets(self, value):
        """Make a target group; return its ARN."""
        made = self._client("elbv2").create_target_group(
            Name="k8s-front", Protocol="TCP", Port=80, VpcId=self._subnet["VpcId"], Tags=tags(value)
        )
        return made["TargetGroups"][0]["TargetGroupArn"]

    def classic(self, value):
        """Make a classic one; return its name."""
        port = {"Protocol": "TCP", "LoadBalancerPort": 80, "InstancePort": 30080}
        subnets = [self._subnet["SubnetId"]]
        self._client("elb").create_load_balancer(
            LoadBalancerName="old", Listeners=[port], Subnets=subnets, Scheme="internal", Tags=tags(value)
        )
        return "old"

    def group(self, value):
        """Make a security group; return its id."""
        given = [{"ResourceType": "security-group", "Tags": tags(value)}]
        made = self._client("ec2").create_security_group(
            GroupName="k8s-elb", Description="of a service", VpcId=self._subnet["VpcId"], TagSpecifications=given
        )
        return made["GroupId"]


class Ends:
    """Ends what `Makes` made, by whoever's session it is."""

    def __init__(self, client):
        self._client = client

    def network(self, name):
        """Delete it."""
        self._client("elbv2").delete_load_balancer(LoadBalancerArn=name)

    def targets(self, name):
        """Delete it."""
        self._client("elbv2").delete_target_group(TargetGroupArn=name)

    def classic(self, name):
        """Delete it."""
        self._client("elb").delete_load_balancer(LoadBalancerName=name)

    def group(self, name):
        """Delete it."""
        self._client("ec2").delete_security_group(GroupId=name)


KINDS = {
    "network": (
        "elasticloadbalancing:CreateLoadBalancer",
        making("CreateLoadBalancer"),
        f"{BALANCING}loadbalancer/net/*",
    ),
    "targets": ("elasticloadbalancing:CreateTargetGroup", making("CreateTargetGroup"), f"{BALANCING}targetgroup/*"),
    "classic": (
        "elasticloadbalancing:CreateLoadBalancer",
        making("CreateLoadBalancer"),
        f"{BALANCING}loadbalancer/old",
    ),
    "group": (
        "ec2:CreateSecurityGroup",
        making("CreateSecurityGroup", "ec2:CreateTags", "ec2:CreateAction"),
        "arn:aws:ec2:eu-central-1:123456789012:security-group/*",
    ),
}
DELETES = {
    "network": "elasticloadbalancing:DeleteLoadBalancer",
    "targets": "elasticloadbalancing:DeleteTargetGroup",
    "classic": "elasticloadbalancing:DeleteLoadBalancer",
    "group": "ec2:DeleteSecurityGroup",
}
IN_NETWORK = allow("ec2:CreateSecurityGroup", resource="arn:aws:ec2:eu-central-1:123456789012:vpc/*")


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_made_with_its_tags_by_who_may_make_it_and_may_tag_it(aws, role, subnet, kind):
    """The tags of the request decide, and giving them is a right of its own."""
    action, tagging, resource = KINDS[kind]
    rights = [allow(action, ASKED, resource), tagging, IN_NETWORK]
    made = getattr(Makes(of(role(*rights)), subnet), kind)("owned")
    getattr(Ends(aws.client), kind)(made)


MISSING = {
    "it may not make": (0, "owned", "action"),
    "it may not tag": (1, "owned", "tagging"),
    "not its": (None, "other", "action"),
}


@pytest.mark.parametrize(
    ("kind", "missing", "value", "named"),
    [
        *(pytest.param(kind, *what, id=f"{kind}: {name}") for kind in KINDS for name, what in MISSING.items()),
        pytest.param("group", 2, "owned", "action", id="group: not in this network"),
    ],
)
def test_it_is_not_made_where_one_right_is_missing(role, subnet, kind, missing, value, named):
    """Each question that a call puts is answered by itself."""
    action, tagging, resource = KINDS[kind]
    rights = [allow(action, ASKED, resource), tagging, IN_NETWORK]
    kept = [one for number, one in enumerate(rights) if number != missing]

    with pytest.raises(ClientError, match=tagging["Action"] if named == "tagging" else action):
        getattr(Makes(of(role(*kept)), subnet), kind)(value)


@pytest.mark.parametrize("value", ["owned", "other"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_deleted_by_who_may_delete_what_has_this_tag(aws, role, subnet, kind, value):
    """The tags that it has decide."""
    made = getattr(Makes(aws.client, subnet), kind)(value)
    ends = Ends(of(role(allow(DELETES[kind], OWNED))))

    if value == "owned":
        getattr(ends, kind)(made)
    else:
        with pytest.raises(ClientError, match=DELETES[kind]):
            getattr(ends, kind)(made)
        getattr(Ends(aws.client), kind)(made)


def test_a_network_load_balancer_says_so_and_has_no_target_groups_at_first(aws, subnet):
    """Its ARN says net, an application's says app, its name tells it from a classic one's; who asks for its target groups is told of none, and by name of an error."""
    elbv2 = aws.client("elbv2")
    made = Makes(aws.client, subnet).network("owned")
    try:
        assert ":loadbalancer/net/front/" in made
        [shown] = elbv2.describe_load_balancers(LoadBalancerArns=[made])["LoadBalancers"]
        assert shown["DNSName"].endswith(".elb.eu-central-1.amazonaws.com")
        assert elbv2.describe_target_groups(LoadBalancerArn=made)["TargetGroups"] == []
        with pytest.raises(ClientError, match="TargetGroupNotFound"):
            elbv2.describe_target_groups(Names=["nobody"])
    finally:
        Ends(aws.client).network(made)
    other = elbv2.create_load_balancer(Name="web", Subnets=[subnet["SubnetId"]])["LoadBalancers"][0]["LoadBalancerArn"]
    Ends(aws.client).network(other)
    assert ":loadbalancer/app/web/" in other


def test_a_classic_load_balancer_checks_its_instances_from_the_beginning(aws, subnet):
    """Nobody has to say how: the first port of the instances answers, or it does not."""
    elb, name = aws.client("elb"), Makes(aws.client, subnet).classic("owned")
    [shown] = elb.describe_load_balancers(LoadBalancerNames=[name])["LoadBalancerDescriptions"]
    Ends(aws.client).classic(name)
    assert (shown["HealthCheck"]["Target"], shown["HealthCheck"]["Interval"]) == ("TCP:30080", 30)
