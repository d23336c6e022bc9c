"""One embedded AWS per module, a small network in it, and the life that every resource type must live through."""

# ruff: noqa: D102  each property of the stage is the thing it is named after
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import ACCOUNT, EmbeddedAws
from kubecfn.local.fleet.machines import NoMachines
from kubecfn.local.identity import operator_keys
from kubecfn.local.providers import provider
from kubecfn.local.providers.resource import is_absent
from kubecfn.local.providers.seam import Context, Made, UnsupportedError

REGION = "eu-central-1"
TAGS = {"team": "platform", "aws:cloudformation:stack-name": "demo"}


def trust(service):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def allow(action):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


@dataclass
class Stage:
    """An account with what resources need around them; each thing is made when a case first asks for it."""

    aws: EmbeddedAws
    session: Any
    clients: dict[str, Any] = field(default_factory=dict)

    trust = staticmethod(trust)
    allow = staticmethod(allow)

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = self.session.client(service, endpoint_url=self.aws.endpoint)
        return self.clients[service]

    def context(self, logical_id="Thing", stack="demo", **changes):
        stack_id = f"arn:aws:cloudformation:{REGION}:{self.aws.account}:stack/{stack}/1"
        given = {"region": REGION, "account": self.aws.account, "partition": "aws", "tags": TAGS, **changes}
        return Context(
            client=self.client,
            stack_name=stack,
            stack_id=stack_id,
            logical_id=logical_id,
            clock=self.aws.clock,
            **given,
        )

    def make(self, resource_type, **properties) -> Made:
        return provider(resource_type).create(self.context(), properties)

    def delete(self, resource_type, physical_id, **properties):
        provider(resource_type).delete(self.context(), physical_id, properties)

    @cached_property
    def vpc(self):
        return self.make("AWS::EC2::VPC", CidrBlock="10.0.0.0/16", EnableDnsHostnames=True).physical_id

    @cached_property
    def subnets(self):
        return [
            self.make(
                "AWS::EC2::Subnet", VpcId=self.vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=REGION + zone
            ).physical_id
            for i, zone in enumerate("abc")
        ]

    @cached_property
    def tables(self):
        return [self.make("AWS::EC2::RouteTable", VpcId=self.vpc).physical_id for _ in range(2)]

    @cached_property
    def options(self):
        return self.make("AWS::EC2::DHCPOptions", DomainName="k8s.test").physical_id

    @cached_property
    def gateway(self):
        gateway = self.make("AWS::EC2::InternetGateway").physical_id
        self.make("AWS::EC2::VPCGatewayAttachment", VpcId=self.vpc, InternetGatewayId=gateway)
        return gateway

    @cached_property
    def nat(self):
        address = self.make("AWS::EC2::EIP", Domain="vpc").attributes["AllocationId"]
        return self.make("AWS::EC2::NatGateway", SubnetId=self.subnets[0], AllocationId=address).physical_id

    @cached_property
    def groups(self):
        return [
            self.make("AWS::EC2::SecurityGroup", GroupDescription=name, VpcId=self.vpc).physical_id for name in "ab"
        ]

    @cached_property
    def role(self):
        return self.make("AWS::IAM::Role", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))

    @cached_property
    def policy(self):
        return self.make("AWS::IAM::ManagedPolicy", PolicyDocument=allow("ec2:Describe*")).physical_id

    @cached_property
    def log_group(self):
        return self.make("AWS::Logs::LogGroup").physical_id

    @cached_property
    def function(self):
        return self.make_function()

    @cached_property
    def other_function(self):
        return self.make_function()

    def make_function(self):
        code = {"ZipFile": "def handler(event, context): return 1"}
        more = {"Runtime": "python3.13", "Handler": "index.handler", "Role": self.role.attributes["Arn"]}
        return self.make("AWS::Lambda::Function", Code=code, **more)

    @cached_property
    def topic(self):
        return self.make("AWS::SNS::Topic").physical_id

    @cached_property
    def queue(self):
        return self.make("AWS::SQS::Queue")

    @cached_property
    def keys(self):
        return [self.make("AWS::KMS::Key", KeyPolicy=allow("kms:*")).physical_id for _ in range(2)]

    @cached_property
    def zone(self):
        return self.make("AWS::Route53::HostedZone", Name="k8s.test").physical_id

    @cached_property
    def balancer(self):
        return self.make("AWS::ElasticLoadBalancingV2::LoadBalancer", Type="network", Subnets=self.subnets[:2])

    @cached_property
    def targets(self):
        return [
            self.make("AWS::ElasticLoadBalancingV2::TargetGroup", Port=6443, Protocol="TCP", VpcId=self.vpc).physical_id
            for _ in range(2)
        ]

    @cached_property
    def launch_template(self):
        data = {"ImageId": "ami-12345678", "InstanceType": "m5.large"}
        return self.make("AWS::EC2::LaunchTemplate", LaunchTemplateData=data)

    @cached_property
    def group(self):
        return self.make("AWS::AutoScaling::AutoScalingGroup", **self.group_properties).physical_id

    @property
    def group_properties(self):
        made = self.launch_template
        template = {"LaunchTemplateId": made.physical_id, "Version": made.attributes["LatestVersionNumber"]}
        return {"MinSize": "0", "MaxSize": "3", "VPCZoneIdentifier": self.subnets, "LaunchTemplate": template}


@pytest.fixture(scope="session")
def session():
    """One boto3 session for all modules: it reads the services' models once, which takes longer than the tests."""
    keys = operator_keys(ACCOUNT)
    return boto3.Session(keys.access_key, keys.secret, region_name=REGION)


@pytest.fixture(scope="module")
def stage(tmp_path_factory, session):
    """An embedded AWS without running machines, 500 times as fast as the wall."""
    with EmbeddedAws(
        workdir=tmp_path_factory.mktemp("aws"), region=REGION, clock=ScaledClock(500), machines=NoMachines()
    ) as aws:
        ready = Stage(aws, session)
        yield ready
        for client in ready.clients.values():
            client.close()


@pytest.fixture
def life(stage):
    """Lead one resource through its life and hold what the service itself says against what the case expects."""

    def lead(kind, first, then, look, before, after, stays=None):
        found = provider(kind)
        context = stage.context()
        # A value of a case that needs the stage is a function of it.
        old = {**first(stage)} if callable(first) else {**first}
        new = {**old, **(then(stage) if callable(then) else then)}
        new = {name: value for name, value in new.items() if value is not None}
        expected = [value(stage) if callable(value) else value for value in (before, after)]

        made = found.create(context, old)

        assert set(made.attributes) == set(found.gives)
        assert None not in made.attributes.values()
        assert look(stage, made.physical_id) == expected[0]

        updated = found.update(context, made.physical_id, old, new)

        assert set(updated.attributes) == set(found.gives)
        assert look(stage, updated.physical_id) == expected[1]
        for call in (
            lambda: found.create(context, {**old, "Nonsense": 1}),
            lambda: found.update(context, updated.physical_id, new, {**new, "Nonsense": 1}),
        ):
            with pytest.raises(UnsupportedError, match=f"{kind}: property Nonsense is not emulated"):
                call()

        for _ in range(2):  # the second time there is none, which is success
            found.delete(context, updated.physical_id, new)

        try:
            left = look(stage, updated.physical_id)
        except ClientError as error:
            assert is_absent(error)
        except LookupError:
            pass
        else:
            assert left == stays if stays is not None else not left

    return lead
