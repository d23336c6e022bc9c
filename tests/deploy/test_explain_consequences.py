import deploy_change_sets as cs
import pytest

from kubecfn.deploy.explain import Severity, Span, explain, lines
from kubecfn.deploy.explain.row import How
from kubecfn.deploy.explain.table import ROWS, row_for


def only(explanation, severity):
    found = [consequence for consequence in explanation.consequences if consequence.severity is severity]
    assert len(found) == 1, explanation.consequences
    return found[0]


def test_a_new_controller_bundle_rolls_the_controllers_one_at_a_time_and_the_api_stays():
    """A group rolls through its launch template; the template itself is not a second consequence."""
    explanation = explain(cs.subject(*cs.rolling("Controllers", "ControllerBundleSha256")))

    (roll,) = explanation.consequences
    assert roll.severity is Severity.ROLLS
    assert roll.resources == ("Controllers",)
    assert roll.text.startswith("3 controllers are replaced one at a time: a new one joins before an old one leaves")
    assert "API stays reachable" in roll.text
    assert roll.because == ("parameter ControllerBundleSha256",)
    assert len(roll.steps) == 4


def test_a_roll_that_takes_old_controllers_away_first_without_majority_interrupts():
    """Without surge and below a majority etcd cannot write: that is no roll but an interruption."""
    template = cs.changed()
    policy = template["Resources"]["Controllers"]["UpdatePolicy"]["AutoScalingRollingUpdate"]
    policy |= {"MinInstancesInService": "1", "MaxBatchSize": "2"}

    explanation = explain(cs.subject(*cs.rolling("Controllers", "ControllerBundleSha256"), template=template))

    assert "etcd has no majority" in only(explanation, Severity.INTERRUPTS).text


def test_pools_roll_after_the_group_they_depend_on():
    """Rolls are numbered in the order CloudFormation takes them, whatever the change set's order is."""
    explanation = explain(
        cs.subject(
            *cs.rolling("PoolGeneral", "WorkerBundleSha256"), *cs.rolling("Controllers", "ControllerBundleSha256")
        )
    )

    texts = [consequence.text for consequence in explanation.consequences]
    assert texts[0].startswith("1. 3 controllers")
    assert texts[1].startswith("2. 2 workers of pool General")
    assert "begins when Controllers is done" in texts[1]


def test_groups_without_dependency_are_not_numbered():
    """A number promises an order; without one none is given."""
    template = cs.changed()
    del template["Resources"]["PoolGeneral"]["DependsOn"]

    explanation = explain(
        cs.subject(
            *cs.rolling("PoolGeneral", "WorkerBundleSha256"),
            *cs.rolling("Controllers", "ControllerBundleSha256"),
            template=template,
        )
    )

    assert [consequence.text[0] for consequence in explanation.consequences] == ["2", "3"]  # workers, controllers
    assert explanation.lasts == Span(540, 1620)


@pytest.mark.parametrize(
    ("boot", "running", "span"),
    [
        (None, None, Span(3 * 180, 3 * 540)),
        (60, None, Span(3 * 60, 3 * 180)),
        (600, None, Span(3 * 600, 3 * 900)),  # a batch is given up after its pause, PT15M
        (60, 5, Span(5 * 60, 5 * 180)),
    ],
)
def test_a_roll_lasts_as_many_boots_as_it_has_batches(boot, running, span):
    """The estimate is boots in sequence, observed where possible, never more than the pause allows."""
    sizes = {"Controllers": running} if running else {}
    explanation = explain(
        cs.subject(*cs.rolling("Controllers", "ControllerBundleSha256"), boot_seconds=boot, sizes=sizes)
    )

    assert only(explanation, Severity.ROLLS).lasts == span


def test_a_group_without_rolling_policy_keeps_its_old_instances():
    """Without UpdatePolicy CloudFormation replaces nothing, and the explanation says so."""
    template = cs.changed()
    del template["Resources"]["Controllers"]["UpdatePolicy"]

    explanation = explain(cs.subject(*cs.rolling("Controllers", "ControllerBundleSha256"), template=template))

    assert "running instances stay as they are" in only(explanation, Severity.CHANGES).text


def test_an_empty_pool_has_nothing_to_roll():
    """No instance, no roll: only the next one differs."""
    explanation = explain(cs.subject(*cs.rolling("PoolGeneral", "WorkerBundleSha256"), parameters={"PoolSize": "0"}))

    assert "there are none" in only(explanation, Severity.CHANGES).text


def replaced(logical_id, name, **more):
    return cs.modify(logical_id, cs.detail(name, recreation="Always"), replacement="True", **more)


@pytest.mark.parametrize(
    ("logical_id", "name", "lost"),
    [
        ("Vpc", "CidrBlock", "every private address"),
        ("Zone", "Name", "every record in the zone"),
        ("ApiLoadBalancer", "Scheme", "own name and addresses"),
        ("NodeLogGroup", "LogGroupName", "log lines"),
    ],
)
def test_replacing_what_holds_data_or_an_address_loses_it(logical_id, name, lost):
    """A replacement is judged by what goes with the old resource."""
    consequence = only(explain(cs.subject(replaced(logical_id, name))), Severity.LOSES)

    assert consequence.resources == (logical_id,)
    assert lost in consequence.lost[0]
    assert consequence.source


def test_a_retained_bucket_is_replaced_but_nothing_in_it_is_lost():
    """UpdateReplacePolicy: Retain keeps the old one; said by the template or by the change set's PolicyAction."""
    consequence = only(explain(cs.subject(replaced("BackupBucket", "BucketName"))), Severity.REPLACES)

    assert "nothing in it is lost" in consequence.text
    assert consequence.lost == ()


def test_a_bucket_that_is_not_retained_loses_what_is_in_it():
    """The twin: the same replacement without the policy loses the data."""
    old = cs.changed()
    del old["Resources"]["BackupBucket"]["UpdateReplacePolicy"]

    consequence = only(explain(cs.subject(replaced("BackupBucket", "BucketName"), old=old)), Severity.LOSES)

    assert "nothing is copied" in consequence.lost[0]


def test_conditional_becomes_replaced_when_its_cause_is_replaced():
    """AWS says Conditional of a subnet whose VPC is replaced; we know that it will be."""
    subnet = cs.modify(
        "PrivateSubnet1",
        cs.detail("VpcId", recreation="Always", evaluation="Dynamic", source="ResourceReference", entity="Vpc"),
        replacement="Conditional",
    )

    explanation = explain(cs.subject(replaced("Vpc", "CidrBlock"), subnet))

    consequence = only(explanation, Severity.REPLACES)
    assert consequence.text.startswith("The subnet PrivateSubnet1 is replaced")
    assert consequence.because == ("VpcId (through Vpc)",)


def test_conditional_becomes_in_place_when_its_cause_only_changes():
    """A changed VPC keeps its ID: what refers to it stays."""
    vpc = cs.modify("Vpc", cs.detail("EnableDnsSupport"))
    subnet = cs.modify(
        "PrivateSubnet1",
        cs.detail("VpcId", recreation="Always", evaluation="Dynamic", source="ResourceReference", entity="Vpc"),
        replacement="Conditional",
    )

    explanation = explain(cs.subject(vpc, subnet))

    assert not [c for c in explanation.consequences if c.severity is Severity.REPLACES]


def test_what_only_refers_to_something_that_stays_is_not_told():
    """AWS lists whoever names a changed role's ARN; the ARN stays, so nothing happens to them."""
    role = cs.modify("ControllerRole", cs.detail("Policies"))
    behind = cs.modify(
        "ControllersLaunchTemplate",
        cs.detail("LaunchTemplateData", evaluation="Dynamic", source="ResourceAttribute", entity="ControllerRole.Arn"),
    )
    permission = cs.modify(
        "Permission",
        cs.detail(
            "SourceArn",
            recreation="Always",
            evaluation="Dynamic",
            source="ResourceAttribute",
            entity="ControllerRole.Arn",
        ),
        replacement="Conditional",
        kind="AWS::Lambda::Permission",
    )

    explanation = explain(cs.subject(role, behind, permission))

    assert [consequence.resources for consequence in explanation.consequences] == [("ControllerRole",)]


def test_a_new_version_of_a_launch_template_is_no_mere_identity():
    """LatestVersionNumber moves while the launch template stays: the twin of the rule before."""
    explanation = explain(cs.subject(*cs.rolling("Controllers", "ControllerBundleSha256")))

    assert explanation.worst is Severity.ROLLS


def test_conditional_stays_open_when_nobody_can_know():
    """An attribute of a changed resource may change: then we say that AWS knows only while it executes."""
    balancer = cs.modify(
        "ApiLoadBalancer",
        cs.detail("Name", recreation="Always", evaluation="Dynamic", source="ResourceAttribute", entity="Zone.Id"),
        replacement="Conditional",
    )
    zone = cs.modify("Zone", cs.detail("Name", recreation="Conditionally"), replacement="Conditional")

    found = explain(cs.subject(balancer, zone)).consequences
    consequence = next(one for one in found if one.resources == ("ApiLoadBalancer",))

    assert "may be replaced" in consequence.text


def test_an_unknown_type_is_told_by_awss_own_replacement():
    """What the table does not know is never called harmless: Replacement decides."""
    gone = cs.modify("Thing", cs.detail("Name", recreation="Always"), replacement="True", kind="AWS::New::Thing")
    stays = cs.modify("Other", cs.detail("Size"), kind="AWS::New::Thing")

    explanation = explain(cs.subject(gone, stays))

    assert only(explanation, Severity.REPLACES).text == "Thing (AWS::New::Thing) is replaced by a new one."
    assert only(explanation, Severity.CHANGES).text == "Other (AWS::New::Thing) is changed in place: Size."


def test_shorter_log_retention_loses_lines_and_longer_does_not():
    """The same property up and down has different consequences."""
    change = cs.modify("NodeLogGroup", cs.detail("RetentionInDays"))

    shorter = explain(cs.subject(change, template=cs.changed(NodeLogGroup={"RetentionInDays": 7})))
    longer = explain(cs.subject(change, template=cs.changed(NodeLogGroup={"RetentionInDays": 90})))

    assert "7 days instead of 30" in only(shorter, Severity.LOSES).text
    assert longer.worst is Severity.CHANGES


def test_a_lower_ceiling_interrupts_a_lower_floor_and_a_higher_one_do_not():
    """MaxSize terminates what is above it; MinSize down only allows shrinking, and up adds."""
    ceiling = cs.modify("PoolGeneral", cs.detail("MaxSize"))
    floor = cs.modify("PoolGeneral", cs.detail("MinSize", source="ParameterReference", entity="PoolSize"))

    lower = explain(cs.subject(ceiling, template=cs.changed(PoolGeneral={"MaxSize": "4"})))
    fewer = explain(cs.subject(floor, parameters={"PoolSize": "1"}))
    more = explain(cs.subject(floor, parameters={"PoolSize": "4"}))

    assert "MaxSize of PoolGeneral goes from 10 to 4" in only(lower, Severity.INTERRUPTS).text
    assert "may shrink to 1 (until now 2)" in only(fewer, Severity.CHANGES).text
    assert "none is replaced" in only(more, Severity.CHANGES).text
    assert more.parameters == {"PoolSize": ("2", "4")}


def test_a_removed_resource_is_told_with_what_goes_with_it():
    """Remove is as loud as replace."""
    explanation = explain(cs.subject(cs.remove("Zone")))

    assert "names in it stop resolving" in only(explanation, Severity.LOSES).text
    assert explanation.removed[0].part == "names"


def test_giving_up_retention_is_a_loss_of_protection():
    """A change of DeletionPolicy touches nothing today and everything at the next delete."""
    template = cs.changed()
    template["Resources"]["BackupBucket"]["DeletionPolicy"] = "Delete"
    change = cs.modify("BackupBucket", cs.detail("", attribute="DeletionPolicy"))

    explanation = explain(cs.subject(change, template=template))

    assert "no longer kept" in only(explanation, Severity.LOSES).text


def test_no_change_is_empty_and_says_so():
    """No-change is a success with one line."""
    explanation = explain(cs.subject())

    assert explanation.is_empty
    assert lines(explanation) == ["payments: nothing changes."]
    assert explanation.lasts is None


def test_a_new_stack_is_told_by_what_will_stand():
    """Creation has no consequences for anybody yet: parts and counts are what matters."""
    changes = [cs.add(name, resource["Type"]) for name, resource in cs.TEMPLATE["Resources"].items()]

    explanation = explain(cs.subject(*changes, exists=False))

    counts = {group.part: len(group.resources) for group in explanation.created}
    assert counts == {
        "network": 2,
        "names": 1,
        "API": 1,
        "storage and keys": 1,
        "controllers": 4,
        "pools": 2,
        "logs and alarms": 1,
    }
    assert explanation.consequences == ()
    assert "BackupBucket" in explanation.rollback.text
    assert explanation.lasts.low >= 2 * 180  # controllers, then the pool that waits for them


def test_the_worst_comes_first():
    """Consequences are sorted by how much they matter."""
    explanation = explain(
        cs.subject(
            cs.modify("ControllerRole", cs.detail("Description")),
            *cs.rolling("Controllers", "ControllerBundleSha256"),
            replaced("Zone", "Name"),
        )
    )

    ranks = [consequence.severity.rank for consequence in explanation.consequences]
    assert ranks == sorted(ranks)
    assert explanation.worst is Severity.LOSES


def test_a_replaced_resource_counts_with_the_time_it_takes_to_make():
    """A new load balancer takes minutes, whether it is added or replaces another."""
    explanation = explain(cs.subject(replaced("ApiLoadBalancer", "Scheme")))

    assert explanation.lasts == Span(120, 240)


def test_the_same_consequence_of_many_resources_is_said_once():
    """Forty tagged resources are one sentence with forty names."""
    tagged = [cs.modify(name, cs.detail("", attribute="Tags")) for name in ("Vpc", "Zone", "Controllers")]
    for change in tagged:
        change["ResourceType"] = "AWS::Same::Type"

    explanation = explain(cs.subject(*tagged))

    assert only(explanation, Severity.CHANGES).resources == ("Vpc", "Zone", "Controllers")


def test_every_row_of_the_table_can_be_found_and_filled():
    """A row that no change can reach, or with a placeholder nobody fills, would be a silent gap."""
    for row in ROWS:
        numbers = {"lower": ("2", "1"), "raise": ("1", "2")}.get(row.direction, ("", ""))
        found = row_for(row.type, row.how, row.properties[0] if row.properties else "Whatever", *numbers)
        assert found is row
        assert "X" in row.text.format(id="X", property="p", before="b", after="a")
        if row.severity is Severity.LOSES:
            assert row.lost
    assert row_for("AWS::EC2::VPC", How.CHANGE, "CidrBlock") is None
