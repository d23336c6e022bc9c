from dataclasses import replace

import deploy_small_stack as small
import pytest

from kubecfn.deploy.explain import Severity
from kubecfn.deploy.progress import Kind
from kubecfn.deploy.stacks import policy_of, read_stack
from kubecfn.deploy.states import State
from kubecfn.deploy.why import why
from kubecfn.errors import AwsError, DeclinedError, KubecfnError, StackError

NEW = "c" * 64


def zone_of(operator):
    return read_stack(operator.aws, "payments").outputs["ZoneId"]


def test_a_plan_of_a_new_stack_leaves_nothing_behind(operator):
    """A plan is never executed: neither its change set nor the empty stack made for it stays."""
    explanation = operator.plan(bucket=False)

    assert explanation.creates
    assert operator.stacks() == {}


def test_a_plan_leaves_the_change_sets_of_others_alone(operator):
    """An empty stack that someone else's change set uses is theirs."""
    theirs = operator.aws.client("cloudformation")
    theirs.create_change_set(
        StackName="payments",
        ChangeSetName="theirs",
        ChangeSetType="CREATE",
        TemplateBody=small.template(groups=0),
        Parameters=[{"ParameterKey": "ControllerBundleSha256", "ParameterValue": NEW}],
    )

    operator.plan(bucket=False, groups=0)

    assert operator.stacks() == {"payments": "REVIEW_IN_PROGRESS"}
    assert operator.change_sets() == ["theirs"]


def test_an_empty_stack_that_someone_else_began_to_use_is_left_to_them(operator):
    """The stack we made for our change set holds theirs by now: only ours goes."""

    def meanwhile(_question):
        operator.aws.client("cloudformation").create_change_set(
            StackName="payments",
            ChangeSetName="theirs",
            ChangeSetType="CREATE",
            TemplateBody=small.template(groups=0),
            Parameters=[{"ParameterKey": "ControllerBundleSha256", "ParameterValue": NEW}],
        )
        return False

    operator.answer = meanwhile
    with pytest.raises(DeclinedError):
        operator.apply(groups=0)

    assert operator.stacks() == {"payments": "REVIEW_IN_PROGRESS"}
    assert [one["ChangeSetName"] for one in change_sets(operator)] == ["theirs"]


def change_sets(operator):
    return operator.aws.client("cloudformation").list_change_sets(StackName="payments")["Summaries"]


def test_every_change_waits_for_health(operator):
    """EXPRESS would end before a node has signalled, and take the next controller: STANDARD is pinned."""
    operator.apply(groups=0)

    (call,) = operator.embedded.recorder.by("CreateChangeSet")
    assert call.call.params["DeploymentConfig"]["Mode"] == "STANDARD"
    assert "DisableRollback" not in call.call.params["DeploymentConfig"]


def test_a_change_set_that_cannot_be_read_is_taken_back(operator, impatient):
    """Whatever ends the asking early, neither the change set nor the empty stack stays."""
    operator.embedded.faults.add(kind="error", operation="DescribeChangeSet", times=10**6)

    with pytest.raises(AwsError):
        operator.plan(groups=0, bucket=False)

    assert operator.stacks() == {}


def test_a_template_cloudformation_refuses_leaves_nothing_behind(operator):
    """A change set that fails is told with AWS's reason and deleted with its empty stack."""
    broken = {"Broken": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "Nobody"}}}}

    with pytest.raises(KubecfnError, match="Nobody"):
        operator.apply(groups=0, extra=broken)

    assert operator.stacks() == {}


def test_a_cluster_stack_lives_from_create_to_nothing(operator):
    """Create, no-op, explained change that rolls by signals, and deletion that proves nothing is left but the backups."""
    created = operator.apply(size=2)
    assert (created.state, created.changed) == (State.CREATE_COMPLETE, True)
    assert [p.text for p in operator.progress if p.kind is Kind.SIGNAL][-1].endswith("(2 of 2 received)")

    again = operator.apply(size=2)
    assert (again.state, again.changed) == (State.CREATE_COMPLETE, False)

    before = set(operator.nodes.seen)
    changed = operator.apply(NEW, size=2)
    assert changed.state is State.UPDATE_COMPLETE
    (roll,) = [c for c in changed.explanation.consequences if c.severity is Severity.ROLLS]
    assert roll.resources == ("Controllers",)
    assert roll.text.startswith("2 controllers are replaced one at a time: a new one joins before an old one leaves")
    assert len(set(operator.nodes.seen) - before) == 2

    operator.progress.clear()
    deleted = operator.delete()
    assert operator.stacks() == {}
    assert deleted.clean
    assert all(progress.done <= progress.total for progress in operator.progress if progress.total)
    assert [one.what.split(" ")[0] for one in deleted.left] == ["BackupBucket"]


def test_a_declined_creation_leaves_nothing_behind(operator):
    """No means: no change set, no empty stack."""
    operator.answer = False

    with pytest.raises(DeclinedError) as raised:
        operator.apply()

    assert raised.value.exit_code == 3
    assert operator.stacks() == {}


def test_a_declined_change_leaves_the_stack_as_it_was(operator):
    """No means: the change set is deleted and the stack is untouched."""
    operator.apply(groups=0)
    operator.answer = False

    with pytest.raises(DeclinedError):
        operator.apply(groups=0, retention=7)

    assert operator.stacks() == {"payments": "CREATE_COMPLETE"}
    assert operator.change_sets() == []


def test_a_stack_that_stands_is_protected(operator):
    """Termination protection and the policy against replacing what holds data are set after the first creation."""
    operator.apply(groups=0)

    assert read_stack(operator.aws, "payments").protected
    deny = policy_of(operator.aws, "payments")["Statement"][1]
    assert deny["Resource"] == ["LogicalResourceId/Zone", "LogicalResourceId/BackupBucket"]


def test_a_change_that_the_policy_denies_is_refused_before_it_is_executed(operator):
    """What would fail half-way is told at the plan, and nothing is executed."""
    operator.apply(groups=0)

    with pytest.raises(StackError, match="stack policy denies Update:Replace of Zone"):
        operator.apply(groups=0, zone="other.example.com")

    assert operator.stacks() == {"payments": "CREATE_COMPLETE"}
    assert operator.change_sets() == []


def test_an_impossible_version_step_is_refused_before_it_is_executed(operator):
    """The parameters say which versions run; a downgrade never reaches CloudFormation's engine."""
    operator.apply(groups=0)
    down = operator.deployment(groups=0)
    down = replace(down, parameters={**down.parameters, "KubernetesVersion": "1.35.4"})

    with pytest.raises(StackError, match="cannot go back"):
        operator.apply(deployment=down)

    assert operator.change_sets() == []


def test_a_failed_roll_tells_what_the_node_said(operator):
    """The first failure, the node's own words and the next step: in the error, and in `why` afterwards."""
    operator.apply()
    operator.nodes.verdict = "FAILURE"

    with pytest.raises(StackError) as raised:
        operator.apply(NEW)

    assert "ended in UPDATE_ROLLBACK_COMPLETE" in raised.value.message
    assert "while checking the bundle's hash: the SHA-256 is not the one" in raised.value.message
    assert "kubecfn upload" in raised.value.remedy
    diagnosis = why(operator.aws, "payments", small.CLUSTER)
    assert diagnosis.resource == "Controllers"
    assert len(diagnosis.instances) == 1


def test_silent_nodes_are_told_from_failing_ones(operator):
    """A signal that never comes fails too: AWS's words say so, and no node is blamed."""
    operator.nodes.verdict = None

    with pytest.raises(StackError, match="ended in ROLLBACK_COMPLETE"):
        operator.apply(timeout="PT1M")

    diagnosis = why(operator.aws, "payments", small.CLUSTER)
    assert diagnosis.instances == ()
    assert "signal" in diagnosis.reason


def test_a_rolled_back_creation_is_removed_and_made_anew_when_a_person_agrees(operator):
    """ROLLBACK_COMPLETE can only be deleted: apply says so, asks, deletes and goes on."""
    operator.nodes.verdict = "FAILURE"
    with pytest.raises(StackError):
        operator.apply()
    operator.nodes.verdict = "SUCCESS"
    operator.questions.clear()

    outcome = operator.apply()

    assert [question.kind for question in operator.questions] == ["replace-remains", "change"]
    assert outcome.state is State.CREATE_COMPLETE


def test_a_rolled_back_creation_stays_when_a_person_declines(operator):
    """The twin: without a yes nothing is deleted."""
    operator.nodes.verdict = "FAILURE"
    with pytest.raises(StackError):
        operator.apply()
    operator.answer = False

    with pytest.raises(DeclinedError):
        operator.apply()

    assert operator.stacks() == {"payments": "ROLLBACK_COMPLETE"}


def test_nothing_is_planned_on_a_stack_that_has_to_be_deleted_first(operator):
    """A plan neither waits nor repairs: it says what apply would do."""
    operator.nodes.verdict = "FAILURE"
    with pytest.raises(StackError):
        operator.apply()

    with pytest.raises(StackError, match="ROLLBACK_COMPLETE") as raised:
        operator.plan()

    assert "kubecfn apply would ask, delete what is left" in raised.value.remedy


def test_records_that_others_wrote_do_not_hold_the_zone(operator):
    """Deletion owns what blocks it: foreign records go, CloudFormation's own are left to it."""
    operator.apply(groups=0)
    record = {"Name": "x.payments.example.com", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    operator.aws.client("route53").change_resource_record_sets(HostedZoneId=zone_of(operator), ChangeBatch=change)

    deleted = operator.delete()

    assert deleted.clean
    assert any(line.startswith("  and 1 records in the zone") for line in operator.questions[-1].lines)
    assert operator.aws.client("route53").list_hosted_zones()["HostedZones"] == []


def test_what_the_clusters_programs_made_is_named_and_removed(operator):
    """Volumes and security groups tagged as the cluster's own go; shared ones and CloudFormation's stay."""
    operator.apply(groups=0)
    ec2 = operator.aws.client("ec2")

    def volume(value):
        tags = [{"Key": f"kubernetes.io/cluster/{small.CLUSTER}", "Value": value}]
        specification = [{"ResourceType": "volume", "Tags": tags}]
        made = ec2.create_volume(AvailabilityZone="eu-central-1a", Size=8, TagSpecifications=specification)
        return made["VolumeId"]

    owned, shared = volume("owned"), volume("shared")
    deleted = operator.delete()

    assert deleted.clean
    assert any(owned in line for line in operator.questions[-1].lines)
    assert [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]] == [shared]


def test_a_load_balancer_of_the_cluster_goes_and_a_shared_one_stays(operator):
    """Services of type LoadBalancer leave theirs behind; a shared one is somebody's."""
    operator.apply(groups=0)
    ec2, elb = operator.aws.client("ec2"), operator.aws.client("elbv2")
    default = [{"Name": "default-for-az", "Values": ["true"]}]
    subnet = ec2.describe_subnets(Filters=default)["Subnets"][0]["SubnetId"]
    for value in ("owned", "shared"):
        tags = [{"Key": f"kubernetes.io/cluster/{small.CLUSTER}", "Value": value}]
        elb.create_load_balancer(Name=f"service-{value}", Type="network", Subnets=[subnet], Tags=tags)

    deleted = operator.delete()

    assert deleted.clean
    assert [one["LoadBalancerName"] for one in elb.describe_load_balancers()["LoadBalancers"]] == ["service-shared"]


def test_backups_go_only_when_they_are_asked_for(operator):
    """The bucket with the backups stays by default, and goes with all its versions on request."""
    operator.apply(groups=0)
    s3 = operator.aws.client("s3")
    bucket = next(one["Name"] for one in s3.list_buckets()["Buckets"] if "backup" in one["Name"])
    for body in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="snapshots/1", Body=body)

    deleted = operator.delete(empty_backups=True)

    assert deleted.left == ()
    assert bucket not in {one["Name"] for one in s3.list_buckets()["Buckets"]}
    assert any("2 object versions" in text for text in operator.told())


def test_a_declined_deletion_changes_nothing(operator):
    """No means: even the termination protection stays."""
    operator.apply(groups=0)
    operator.answer = False

    with pytest.raises(DeclinedError):
        operator.delete()

    assert read_stack(operator.aws, "payments").protected


def test_deleting_what_is_not_there_is_done_already(operator):
    """Deletion is a state to reach, not an act to perform."""
    deleted = operator.delete()

    assert not deleted.existed
    assert operator.questions == []


def test_a_group_that_retains_instances_is_told_to_let_them_go(operator):
    """With `retain` a group cannot be deleted, so deletion flips it first."""
    operator.apply()
    operator.embedded.recorder.clear()

    operator.delete()

    (call,) = [one for one in operator.embedded.recorder.by("UpdateAutoScalingGroup") if not one.internal]
    assert call.call.params["InstanceLifecyclePolicy"]["RetentionTriggers"]["TerminateHookAbandon"] == "terminate"
