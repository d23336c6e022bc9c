import json

import pytest

from kubecfn.local.iam.conditions import Context
from kubecfn.local.iam.evaluate import evaluate
from kubecfn.local.iam.policy import statements

KEY = "arn:aws:s3:::artifacts/payments/controller/controller-1.tar.gz"
CONTEXT = Context(
    {
        "aws:PrincipalArn": "arn:aws:iam::123456789012:role/node",
        "aws:ResourceTag/cluster": "payments",
        "aws:SecureTransport": "true",
        "kms:EncryptionContext:aws:s3:arn": KEY,
        "s3:max-keys": "10",
        "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["a.k.example", "b.k.example"],
    },
    frozenset({"aws:ResourceTag/", "s3:prefix", "aws:SourceVpce"}),
)


def decide(*written, action="s3:GetObject", resource=KEY, context=CONTEXT):
    return evaluate(statements("p", json.dumps({"Statement": list(written)})), action, resource, context)


def allow(action="s3:GetObject", resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("written", "allowed"),
    [
        pytest.param(allow(), True, id="the very action"),
        pytest.param(allow("s3:getobject"), True, id="actions have no case"),
        pytest.param(allow("s3:Get*"), True, id="a wildcard"),
        pytest.param(allow("s3:Get?bject"), True, id="one character"),
        pytest.param(allow(["ec2:*", "s3:GetObject"]), True, id="one of several"),
        pytest.param(allow("*"), True, id="everything"),
        pytest.param(allow("s3:PutObject"), False, id="another action"),
        pytest.param(allow("s3:GetObjectVersion"), False, id="a longer action"),
        pytest.param({"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}, True, id="all but another"),
        pytest.param({"Effect": "Allow", "NotAction": "s3:Get*", "Resource": "*"}, False, id="all but this"),
        pytest.param(allow(resource=KEY), True, id="the very resource"),
        pytest.param(allow(resource="arn:aws:s3:::artifacts/payments/*"), True, id="below a prefix"),
        pytest.param(allow(resource="arn:aws:s3:::artifacts/ledger/*"), False, id="below another prefix"),
        pytest.param(allow(resource="arn:aws:s3:::artifacts"), False, id="the bucket is not its objects"),
        pytest.param(allow(resource="arn:aws-cn:s3:::artifacts/*"), False, id="another partition"),
        pytest.param(allow(resource="arn:*"), True, id="an incomplete ARN is completed"),
        pytest.param(allow(resource="arn:aws:s3:*"), True, id="another incomplete ARN"),
        pytest.param(allow(resource="arn:aws:ec2:*"), False, id="of another service"),
        pytest.param({"Effect": "Allow", "Action": "*", "NotResource": KEY}, False, id="all but this resource"),
        pytest.param({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b/*"}, True, id="all but another"),
    ],
)
def test_a_statement_covers_what_its_patterns_say(written, allowed):
    """Actions, resources and their Not-forms match with * and ?, ARNs segment by segment."""
    assert decide(written).allowed is allowed


def test_no_wildcard_reaches_across_a_colon_of_an_arn():
    """A * in one segment of an ARN cannot stand for several segments."""
    arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/kubecfn/x:log-stream:i-1"

    assert decide(allow("logs:*", "arn:aws:logs:*:*:log-group:/kubecfn/*"), action="logs:X", resource=arn).allowed
    assert not decide(allow("logs:*", "arn:aws:logs:*:log-group:/kubecfn/*"), action="logs:X", resource=arn).allowed


@pytest.mark.parametrize("order", [1, -1])
def test_a_deny_wins_wherever_it_stands(order):
    """One applicable Deny refuses, whatever else allows, and is named as the reason."""
    deny = {"Sid": "Never", "Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::artifacts/payments/*"}

    decision = decide(*[allow(), deny][::order])

    assert not decision.allowed
    assert decision.statement == "p[Never]"
    assert decision.reason == "with an explicit deny in an identity-based policy"
    assert decide(*[allow(), {**deny, "Resource": "arn:aws:s3:::other/*"}][::order]).allowed


def test_what_nobody_allows_is_denied_and_what_allowed_is_named():
    """Without a statement the answer is no; with one, the decision names the first that allows."""
    assert decide().reason == "because no identity-based policy allows the s3:GetObject action"
    assert decide(allow("s3:PutObject"), allow(), allow()).statement == "p[1]"


CLUSTER, NAMES = "aws:ResourceTag/cluster", "route53:ChangeResourceRecordSetsNormalizedRecordNames"


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "holds"),
    [
        ("StringEquals", CLUSTER, "payments", True),
        ("StringEquals", CLUSTER, ["ledger", "payments"], True),
        ("StringEquals", CLUSTER, "Payments", False),
        ("StringEquals", CLUSTER, "pay*", False),
        ("StringEquals", "AWS:resourcetag/CLUSTER", "payments", True),
        ("StringEqualsIgnoreCase", CLUSTER, "PAYMENTS", True),
        ("StringNotEquals", CLUSTER, "payments", False),
        ("StringNotEquals", CLUSTER, "ledger", True),
        ("StringNotEquals", CLUSTER, ["ledger", "payments"], False),
        ("StringLike", CLUSTER, "pay*", True),
        ("StringNotLike", CLUSTER, "pay*", False),
        ("StringEquals", "aws:ResourceTag/missing", "x", False),
        ("StringNotEquals", "aws:ResourceTag/missing", "x", True),
        ("StringEqualsIfExists", "aws:ResourceTag/missing", "x", True),
        ("StringEqualsIfExists", CLUSTER, "x", False),
        ("ArnEquals", "kms:EncryptionContext:aws:s3:arn", "arn:aws:s3:::artifacts/payments/*", True),
        ("ArnLike", "kms:EncryptionContext:aws:s3:arn", "arn:aws:s3:::artifacts/ledger/*", False),
        ("ArnNotLike", "kms:EncryptionContext:aws:s3:arn", "arn:aws:s3:::artifacts/ledger/*", True),
        ("Bool", "aws:SecureTransport", "true", True),
        ("Bool", "aws:SecureTransport", False, False),
        ("Null", "s3:prefix", "true", True),
        ("Null", CLUSTER, "true", False),
        ("Null", CLUSTER, "false", True),
        ("NumericLessThanEquals", "s3:max-keys", "10", True),
        ("NumericLessThan", "s3:max-keys", "10", False),
        ("ForAllValues:StringEquals", NAMES, ["a.k.example", "b.k.example", "c.k.example"], True),
        ("ForAllValues:StringEquals", NAMES, ["a.k.example"], False),
        ("ForAllValues:StringLike", NAMES, "*.k.example", True),
        ("ForAllValues:StringEquals", "s3:prefix", ["x"], True),
        ("ForAnyValue:StringEquals", NAMES, ["a.k.example"], True),
        ("ForAnyValue:StringEquals", NAMES, ["z.k.example"], False),
        ("ForAnyValue:StringEquals", "s3:prefix", ["x"], False),
        ("ForAnyValue:StringNotEquals", "s3:prefix", ["x"], False),
        ("ForAllValues:StringNotEquals", NAMES, ["a.k.example"], False),
        ("ForAllValues:StringNotEquals", NAMES, ["z.k.example"], True),
    ],
)
def test_a_condition_holds_as_documented(operator, key, wanted, holds):
    """Every operator, negation, IfExists and set operator behaves as the IAM User Guide's tables say."""
    assert decide(allow(Condition={operator: {key: wanted}})).allowed is holds


def test_every_line_of_a_condition_must_hold():
    """Operators and keys of one block are joined by "and"."""
    both = {"StringEquals": {CLUSTER: "payments", "s3:max-keys": "10"}, "Bool": {"aws:SecureTransport": "true"}}
    one_wrong = {**both, "Bool": {"aws:SecureTransport": "false"}}

    assert decide(allow(Condition=both)).allowed
    assert not decide(allow(Condition=one_wrong)).allowed


@pytest.mark.parametrize(
    ("condition", "gap"),
    [
        ({"StringEquals": {"aws:SourceIp": "10.0.0.1"}}, "the condition key aws:SourceIp is not modelled"),
        ({"IpAddress": {CLUSTER: "10.0.0.0/8"}}, "the condition operator IpAddress is not modelled"),
        ({"ForSomeValues:StringEquals": {CLUSTER: "x"}}, "the condition operator ForSomeValues:StringEquals is not"),
    ],
)
def test_what_the_model_cannot_judge_is_a_loud_no(condition, gap):
    """An unknown key or operator neither allows nor is skipped: an Allow does not allow, a Deny denies, and it is said."""
    refused = decide(allow(Condition=condition))
    denied = decide(allow(), {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition})

    assert not refused.allowed
    assert gap in refused.unjudged[0]
    assert not denied.allowed
    assert gap in denied.unjudged[0]


def test_policy_variables_are_filled_in_and_a_missing_one_matches_nothing():
    """${aws:PrincipalArn} stands for the caller; a variable the request does not carry never matches; an unknown one is said."""
    mine = allow(resource="arn:aws:s3:::artifacts/${aws:ResourceTag/cluster}/*")
    nobody = allow(resource="arn:aws:s3:::artifacts/${aws:ResourceTag/missing}*")

    assert decide(mine).allowed
    assert not decide(nobody).allowed
    assert "aws:username is not modelled" in decide(allow(resource="${aws:username}")).unjudged[0]
