import json
from html.parser import HTMLParser

import deploy_change_sets as cs
import pytest

from kubecfn.deploy.explain import Severity, explain, html, lines
from kubecfn.deploy.explain.values import NO_VALUE, Values, seconds

POLICY = {
    "Statement": [
        {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": ["Update:Replace", "Update:Delete"],
            "Principal": "*",
            "Resource": ["LogicalResourceId/Controllers", "LogicalResourceId/Zone"],
        },
    ],
}


def versions(**values):
    return explain(cs.subject(*cs.rolling("Controllers", "KubernetesVersion"), parameters=values))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"KubernetesVersion": "1.34.4"}, "cannot go back"),
        ({"KubernetesVersion": "1.37.0"}, "cannot jump"),
        ({"EtcdVersion": "3.4.30"}, "cannot go back"),
        ({"KubernetesVersion": "latest"}, "is not a version"),
    ],
)
def test_an_impossible_version_step_is_refused_with_its_reason(values, words):
    """A step that the programs cannot take never becomes a change."""
    (reason,) = versions(**values).refusals

    assert words in reason


@pytest.mark.parametrize("values", [{"KubernetesVersion": "1.36.3"}, {"EtcdVersion": "3.6.16"}])
def test_a_version_up_is_allowed_and_cannot_be_rolled_back(values):
    """One minor up is fine, but CloudFormation cannot take it back once a new controller wrote."""
    explanation = versions(**values)

    assert explanation.refusals == ()
    assert not explanation.rollback.possible
    assert "restore the last backup" in explanation.rollback.text


def test_a_patch_can_be_rolled_back():
    """Patches of one minor read each other's data."""
    explanation = versions(KubernetesVersion="1.35.9")

    assert explanation.refusals == ()
    assert explanation.rollback.possible


def test_a_new_bundle_can_be_rolled_back():
    """The twin: without a version step the old bytes come back."""
    assert explain(cs.subject(*cs.rolling("Controllers", "ControllerBundleSha256"))).rollback.possible


@pytest.mark.parametrize(
    ("change", "denied"),
    [
        (cs.modify("Zone", cs.detail("Name", recreation="Always"), replacement="True"), True),
        (cs.remove("Zone"), True),
        (cs.modify("Zone", cs.detail("HostedZoneConfig")), False),
        (cs.remove("NodeLogGroup"), False),
    ],
)
def test_what_the_stack_policy_denies_is_said_before_it_fails(change, denied):
    """Deny wins over Allow, for the action that the change would be."""
    refusals = explain(cs.subject(change, policy=POLICY)).refusals

    assert bool(refusals) is denied


def test_a_policy_without_allow_denies_everything():
    """Once a stack has a policy, what it does not allow is denied."""
    policy = {"Statement": [POLICY["Statement"][1]]}

    assert explain(cs.subject(cs.modify("Vpc", cs.detail("Tags")), policy=policy)).refusals


def test_a_policy_condition_on_the_type_is_read():
    """StringEquals ResourceType limits a statement to types."""
    deny = {
        "Effect": "Deny",
        "Action": "Update:*",
        "Resource": "*",
        "Condition": {"StringEquals": {"ResourceType": ["AWS::EC2::VPC"]}},
    }
    policy = {"Statement": [POLICY["Statement"][0], deny]}
    change = cs.modify("Vpc", cs.detail("EnableDnsSupport"))

    assert explain(cs.subject(change, policy=policy)).refusals
    assert not explain(cs.subject(cs.modify("Zone", cs.detail("HostedZoneConfig")), policy=policy)).refusals


def named(name):
    return cs.changed(NodeLogGroup={"LogGroupName": name, "KmsKeyId": "k"})


@pytest.mark.parametrize(("before", "after", "refused"), [("/a", "/a", True), ("/a", "/b", False)])
def test_a_named_resource_cannot_be_replaced_under_its_own_name(before, after, refused):
    """The new one is made first, while the old one still has the name."""
    change = cs.modify("NodeLogGroup", cs.detail("KmsKeyId", recreation="Always"), replacement="True")

    refusals = explain(cs.subject(change, old=named(before), template=named(after))).refusals

    assert bool(refusals) is refused


def subnet(cidr):
    return cs.changed(PrivateSubnet1={"CidrBlock": cidr})


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ("10.0.0.0/24", "10.0.0.0/20", True),
        ("10.0.0.0/24", "10.0.1.0/24", False),
        ({"Fn::Select": [0, {"Fn::Cidr": ["10.0.0.0/16", 4, 12]}]}, "10.0.15.0/24", True),
        ({"Fn::Select": [0, {"Fn::Cidr": [{"Fn::GetAtt": "Vpc.CidrBlock"}, 4, 12]}]}, "10.0.0.0/24", False),
    ],
)
def test_a_subnet_cannot_be_replaced_by_one_that_overlaps_it(before, after, refused):
    """Both stand for a while; what AWS alone knows is not guessed."""
    change = cs.modify("PrivateSubnet1", cs.detail("CidrBlock", recreation="Always"), replacement="True")

    refusals = explain(cs.subject(change, old=subnet(before), template=subnet(after))).refusals

    assert bool(refusals) is refused


def test_a_subnet_of_a_replaced_network_overlaps_nothing():
    """The new VPC has addresses of its own."""
    vpc = cs.modify("Vpc", cs.detail("CidrBlock", recreation="Always"), replacement="True")
    change = cs.modify("PrivateSubnet1", cs.detail("VpcId", recreation="Always"), replacement="True")

    assert explain(cs.subject(vpc, change, old=subnet("10.0.0.0/24"), template=subnet("10.0.0.0/24"))).refusals == ()


@pytest.mark.parametrize("replacement", ["True", "False"])
def test_a_network_is_not_replaced_under_a_load_balancer(replacement):
    """A load balancer stays in the VPC it was made in; one that is replaced too is made in the new one."""
    vpc = cs.modify("Vpc", cs.detail("CidrBlock", recreation="Always"), replacement="True")
    subnets = cs.detail("Subnets", evaluation="Dynamic", source="ResourceReference", entity="PrivateSubnet1")
    subnet_of_it = cs.modify("PrivateSubnet1", cs.detail("VpcId", recreation="Always"), replacement="True")
    balancer = cs.modify("ApiLoadBalancer", subnets, replacement=replacement)

    refusals = explain(cs.subject(vpc, subnet_of_it, balancer)).refusals

    assert bool(refusals) is (replacement == "False")


def ingress(*rules):
    change = cs.modify("ControllerSecurityGroup", cs.detail("SecurityGroupIngress"))
    template = cs.changed(ControllerSecurityGroup={"SecurityGroupIngress": list(rules)})
    return explain(cs.subject(change, template=template))


def widened(explanation):
    return [consequence.text for consequence in explanation.consequences if consequence.severity is Severity.WIDENS]


TCP = {"IpProtocol": "tcp", "FromPort": 6443, "ToPort": 6443}


@pytest.mark.parametrize(
    ("rule", "wider"),
    [
        ({**TCP, "CidrIp": "10.0.0.0/8"}, False),
        ({**TCP, "CidrIp": "10.20.0.0/16"}, False),
        ({**TCP, "CidrIp": "0.0.0.0/0"}, True),
        ({**TCP, "CidrIp": "192.168.0.0/16"}, True),
        ({**TCP, "FromPort": 6442, "CidrIp": "10.0.0.0/8"}, True),
        ({**TCP, "IpProtocol": "udp", "CidrIp": "10.0.0.0/8"}, True),
        ({"IpProtocol": "-1", "CidrIp": "10.0.0.0/8"}, True),
        ({**TCP, "CidrIpv6": "::/0"}, True),
        ({**TCP, "SourceSecurityGroupId": {"Ref": "ControllerSecurityGroup"}}, True),
    ],
)
def test_a_network_rule_widens_when_no_old_rule_covers_it(rule, wider):
    """Narrower networks and ports are covered; other ones, other protocols and other peers are not."""
    assert bool(widened(ingress(rule))) is wider


def role(*statements):
    change = cs.modify("ControllerRole", cs.detail("Policies"))
    policies = [{"PolicyName": "own", "PolicyDocument": {"Statement": list(statements)}}]
    return explain(cs.subject(change, template=cs.changed(ControllerRole={"Policies": policies})))


OWN = "arn:${AWS::Partition}:s3:::artifacts/payments/*"
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"Fn::Sub": OWN}}


@pytest.mark.parametrize(
    ("statement", "wider"),
    [
        (ALLOW, False),
        ({**ALLOW, "Resource": {"Fn::Sub": OWN.replace("*", "controller/*")}}, False),
        ({**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
        ({**ALLOW, "Action": ["s3:GetObject", "s3:PutObject"]}, True),
        ({**ALLOW, "Action": "s3:*"}, True),
        ({**ALLOW, "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, True),
        ({"Effect": "Deny", "Action": "s3:*", "Resource": "*"}, False),
    ],
)
def test_a_policy_widens_when_no_old_statement_covers_it(statement, wider):
    """New actions, resources and dropped conditions widen; what an old statement covered does not."""
    assert bool(widened(role(statement))) is wider


def test_a_dropped_condition_and_a_dropped_deny_widen():
    """Taking a limit away grants as much as adding a right."""
    limited = cs.changed(
        ControllerRole={
            "Policies": [
                {
                    "PolicyDocument": {
                        "Statement": [
                            {**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
                            {"Effect": "Deny", "Action": "kms:*", "Resource": "*"},
                        ],
                    },
                },
            ],
        }
    )

    explanation = explain(cs.subject(cs.modify("ControllerRole", cs.detail("Policies")), old=limited))

    (text,) = widened(explanation)
    assert "s3:GetObject" in text
    assert "no longer forbidden: kms:* on *" in text


def test_a_new_role_of_an_existing_stack_is_told_with_its_rights():
    """A role that did not exist grants everything in it anew."""
    template = cs.changed()
    template["Resources"]["NewRole"] = template["Resources"]["ControllerRole"]

    (text,) = widened(explain(cs.subject(cs.add("NewRole", "AWS::IAM::Role"), template=template)))

    assert text.startswith("The new NewRole allows:")


def test_an_internet_facing_balancer_widens_and_loses_its_address():
    """The scheme decides who may reach the API, and AWS replaces the load balancer for it."""
    change = cs.modify(
        "ApiLoadBalancer",
        cs.detail("Scheme", recreation="Always", source="ParameterReference", entity="ApiScheme"),
        replacement="True",
    )

    explanation = explain(cs.subject(change, parameters={"ApiScheme": "internet-facing"}))

    assert widened(explanation) == ["ApiLoadBalancer newly allows: the whole internet reaches the load balancer."]
    assert explanation.worst is Severity.LOSES


VALUES = Values(
    {
        "Parameters": {"A": {"Default": "x"}, "L": {"Type": "CommaDelimitedList"}, "Yes": {"Default": "true"}},
        "Conditions": {
            "IsX": {"Fn::Equals": [{"Ref": "A"}, "x"]},
            "NotX": {"Fn::Not": [{"Condition": "IsX"}]},
            "Both": {"Fn::And": [{"Condition": "IsX"}, {"Fn::Equals": [{"Ref": "Yes"}, "true"]}]},
        },
        "Mappings": {"M": {"x": {"k": "v"}}},
    },
    {"L": "a, b"},
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Ref": "A"}, "x"),
        ({"Ref": "L"}, ["a", "b"]),
        ({"Ref": "Vpc"}, "${Vpc}"),
        ({"Ref": "AWS::NoValue"}, NO_VALUE),
        ({"Fn::GetAtt": ["Zone", "Id"]}, "${Zone.Id}"),
        ({"Fn::GetAtt": "Zone.Id"}, "${Zone.Id}"),
        ({"Fn::Sub": "${A}-${Vpc}-${!Literal}"}, "x-${Vpc}-${!Literal}"),
        ({"Fn::Sub": ["${A}${B}", {"B": {"Ref": "A"}}]}, "xx"),
        ({"Fn::Join": ["-", ["1", {"Ref": "A"}]]}, "1-x"),
        ({"Fn::If": ["IsX", 1, 2]}, 1),
        ({"Fn::If": ["NotX", 1, 2]}, 2),
        ({"Fn::If": ["Both", "both", "no"]}, "both"),
        ({"Fn::Select": ["1", {"Ref": "L"}]}, "b"),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "${${Fn::GetAZs }[0]}"),
        ({"Fn::Split": [",", "a,b"]}, ["a", "b"]),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, "8"]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::FindInMap": ["M", {"Ref": "A"}, "k"]}, "v"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"k": {"Ref": "AWS::NoValue"}, "l": [{"Ref": "AWS::NoValue"}, 1]}, {"l": [1]}),
    ],
)
def test_values_are_resolved_as_far_as_parameters_go(expression, value):
    """What parameters decide is decided; what only AWS knows stays readable."""
    assert VALUES.resolve(expression) == value


@pytest.mark.parametrize(("text", "length"), [("PT15M", 900), ("PT1H30M", 5400), ("PT0S", 0), ("15m", 0), (None, 0)])
def test_durations_are_read_as_iso_8601(text, length):
    """CloudFormation writes pauses as PT#H#M#S."""
    assert seconds(text) == length


def test_lines_begin_with_what_matters_most():
    """The terminal form says the verdict first and never a hash in full."""
    explanation = explain(
        cs.subject(
            *cs.rolling("Controllers", "ControllerBundleSha256"),
            parameters={"ControllerBundleSha256": cs.NEW_HASH},
        )
    )

    text = lines(explanation)

    assert text[0] == "payments: 1 resource changes; the worst of it: rolls."
    assert f"  ControllerBundleSha256: {'a' * 12}… to {'b' * 12}…" in text
    assert any(line.startswith("    takes ") for line in text)


def test_the_json_form_is_plain_data():
    """Machines get the same facts as people, as plain JSON types."""
    data = explain(cs.subject(*cs.rolling("Controllers", "ControllerBundleSha256"))).to_json()

    assert json.loads(json.dumps(data))["consequences"][0]["severity"] == "rolls"
    assert data["worst"] == "rolls"
    assert data["rollback"]["possible"] is True


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.urls, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.urls += [value for name, value in attrs if name in {"src", "href", "xlink:href"}]

    def handle_data(self, data):
        self.text.append(data)


def test_the_html_report_is_self_contained_and_escapes_what_it_shows():
    """One file that fetches nothing, runs nothing and cannot be broken by a parameter's value."""
    explanation = explain(
        cs.subject(
            *cs.rolling("Controllers", "ControllerBundleSha256"),
            parameters={"KubernetesVersion": "<script>alert(1)</script>"},
        )
    )
    page = _Page()
    page.feed(html(explanation, "payments & friends", "<svg><title>picture</title></svg>"))

    assert page.urls == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "svg" in page.tags
    assert "<script>alert(1)</script>" in page.text
    assert "payments & friends" in page.text
