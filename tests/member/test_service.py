"""When the stack is told, and who the node is."""

import threading
from datetime import UTC, datetime

import controller_root  # noqa: F401  it says where the agent's packages are
import pytest
from agent.node import Instance, Node
from agent.patience import Patience, StoppedError
from agent.steps import StepFailed
from botocore.exceptions import ClientError
from member import identity, outcry, service
from member.loop import Done

from kubecfn.etcd.look import Look
from kubecfn.etcd.store import Stored
from kubecfn.etcd.view import Cluster, Heard

ME = "i-0000000a"


class Told:
    """A gate on a clock of its own, and what it told the stack."""

    def __init__(self, patience=1500.0):
        self.now = 0.0
        self.failures = []
        self.gate = outcry.Gate(self.failures.append, lambda: self.now, patience)

    def at(self, now, done, step="etcd"):
        """Pass a round's outcome at a time."""
        self.now = now
        self.gate.passed(step, done)
        return [(one.step, one.reason) for one in self.failures]


def test_a_stop_is_told_at_once_and_once():
    """A person has to decide: the update ends now, and the loop looks again by itself."""
    told = Told()
    stop = Done("stop", "there is no snapshot")

    assert told.at(1, stop) == [("etcd", "there is no snapshot")]
    assert len(told.at(61, stop)) == 1


def test_what_fails_for_a_while_is_told_and_what_heals_is_not():
    """A full disk may be emptied, systemd may be busy: a minute of the same is a failure, half a minute is not."""
    told = Told()
    failed, well = Done("failed", "make room"), Done("wait", "for others")

    assert told.at(0, failed) == told.at(50, failed) == told.at(55, well) == told.at(60, failed) == []
    assert told.at(119, failed) == []
    assert told.at(120, failed) == [("etcd", "make room")]


def test_a_cluster_that_does_not_settle_is_named_with_what_is_missing():
    """The signal's reason is the very words of the rule."""
    told = Told()
    serve = Done("serve", "x", missing="voter i-0000000b is not healthy")

    assert told.at(0, serve, "settled") == told.at(1499, serve, "settled") == []
    ((step, reason),) = told.at(1500, serve, "settled")
    assert (step, reason) == ("settled", "the cluster has not settled in 25 minutes: voter i-0000000b is not healthy")
    assert Told().at(9999, Done("serve", "3 voters", settled=True)) == []


class Log:
    """What was written, or a refusal of all of it."""

    def __init__(self, refusal=None):
        self.lines, self.refusal = [], refusal

    def trouble(self, failed):
        """Take a reason."""
        self._take((failed.step, failed.reason))

    def well(self):
        """Take that it is over."""
        self._take("well")

    def _take(self, line):
        if self.refusal:
            raise self.refusal
        self.lines.append(line)


def cried(log, *rounds):
    """Return what rounds wrote: each a time and its outcome."""
    times = [at for at, _ in rounds]
    cry = outcry.Outcry(log, lambda: times[0])
    for _, done in rounds:
        cry.passed("serve", done, well=done.serves)
        times.pop(0)
    return log.lines


STOP = Done("stop", "voter that lost its data")


def test_who_has_to_stop_after_its_boot_cries_at_once_and_who_fails_after_a_minute():
    """Stopped means that a person decides; what fails may mend itself for a minute; waiting for others is no news."""
    failed, waits, serves = Done("failed", "make room"), Done("wait", "for others"), Done("serve", "3 voters")

    assert cried(Log(), (0, STOP)) == [("serve", "voter that lost its data")]
    assert cried(Log(), (0, failed), (59, failed), (61, waits), (90, failed), (149, failed)) == []
    assert cried(Log(), (0, failed), (60, failed)) == [("serve", "make room")]
    assert cried(Log(), (0, STOP), (60, waits), (65, serves)) == [("serve", "voter that lost its data"), "well"]


@pytest.mark.parametrize(
    "refusal", [OSError("disk full"), ClientError({"Error": {"Code": "AccessDenied"}}, "PutLogEvents")]
)
def test_a_log_that_cannot_be_written_never_ends_the_members_loop(refusal, capsys):
    """The node goes on, and says so where it can."""
    assert cried(Log(refusal), (0, STOP)) == []
    assert "no-log" in capsys.readouterr().out


class Rounds:
    """A loop of given outcomes, after which the agent is told to stop."""

    def __init__(self, stop, *outcomes):
        self.stop, self.outcomes, self.last = stop, list(outcomes), None

    def run(self, until):
        """Go round."""
        while self.outcomes:
            self.last = self.outcomes.pop(0)
            if until(self.last):
                return True
        self.stop.set()
        return False


def test_the_service_cries_after_its_boot_and_before_it_only_once_the_stack_was_told(tmp_path):
    """The first reason of a boot goes with the signal; whatever comes later has no signal, so it has the log."""
    stop, log, failures = threading.Event(), Log(), []
    node = Node(tmp_path, "payments", "controller", "k.example", "1.36.3", "3.6.5", 300, {})
    made = service.Service(node, None, stop, failures.append, log, 1500.0)
    serves = Done("serve", "3 voters", settled=True)
    made._loop = Rounds(stop, Done("wait", "x"), STOP, Done("stop", "another"), Done("serve", "not settled"), serves)

    (*_, (_, settled)) = made.steps
    settled(node)

    assert [one.reason for one in failures] == [STOP.reason]
    assert log.lines == [("settled", STOP.reason), ("settled", "another"), "well"]

    log.lines.clear()
    made._loop = Rounds(stop, serves, STOP, Done("serve", "not settled"))
    made.stay()

    assert log.lines == ["well", ("serve", STOP.reason), "well"]


@pytest.mark.parametrize(
    ("done", "goes_on"),
    [
        (Done("serve", "3 voters"), True),
        (Done("establish", "epoch 1 acknowledged a write", acted=True), True),
        (Done("establish", "epoch 1 acknowledged a write", missing="it was not written yet", acted=True), False),
        (Done("found", "begun here", missing="epoch 1 is being made", acted=True), False),
        (Done("promoted", "its log is theirs", missing="this node was only just promoted", acted=True), False),
    ],
)
def test_kubernetes_goes_on_once_etcd_here_acknowledged_a_write_of_an_established_epoch(done, goes_on, tmp_path):
    """Not before: an epoch that nobody wrote down may yet be another's. Nor a round later: that is a boot's time."""
    node = Node(tmp_path, "payments", "controller", "k.example", "1.36.3", "3.6.5", 300, {})
    made = service.Service(node, None, stop := threading.Event(), [].append, Log(), 1500.0)
    made._loop = Rounds(stop, done)
    (etcd,) = (step for name, step in made.steps if name == "etcd")

    if goes_on:
        assert etcd(node) == done.reason
    else:
        with pytest.raises(StoppedError):
            etcd(node)


class S3:
    """A bucket with one whole snapshot of epoch 2."""

    key = "snapshots/000002/0000000000000000009-i-0000000b.db"

    def list_objects_v2(self, **_):
        """List it."""
        return {"Contents": [{"Key": self.key, "Size": 9, "LastModified": datetime.now(UTC)}]}

    def head_object(self, **_):
        """Say what it is."""
        return {"Metadata": {"sha256": "f" * 64, "epoch": "2"}, "ContentLength": 9}


def test_a_member_that_serves_looks_after_its_survivors_copy(tmp_path, monkeypatch):
    """Whether it leads or not: the copy is on its own disk."""
    monkeypatch.setattr(service.boto3, "client", lambda *_, **__: S3())
    monkeypatch.setenv("KUBECFN_ROOT", str(tmp_path))
    copy = tmp_path / "var/lib/kubecfn/survivor-of-1.db"
    copy.parent.mkdir(parents=True)
    copy.write_text("data")
    node = Node(tmp_path, "payments", "controller", "k.example", "1.36.3", "3.6.5", 300, {})
    instance = Instance("eu-central-1", {"UniqueId": ME}, {})
    made = service.Service(node, instance, threading.Event(), lambda _: None, Log(), 1500.0)
    me = service.Me(ME, "127.0.0.1", "k.example", "3.6.16")
    loop = made._made(node, identity.Identity(ME, "127.0.0.1", "controllers", "backups", "123456789012", {}), me)

    loop._duty(Look(Cluster((), 3), Heard.NOBODY, {}, "", ""), Stored(2, ME, "survive", established=2))

    assert not copy.exists()


class Ec2:
    """EC2 as one instance asks for itself."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def describe_instances(self, Filters):  # noqa: N803  boto3's name
        """Answer, or refuse."""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {"Reservations": [{"OwnerId": "123456789012", "Instances": answer}]}


TAGS = {"aws:autoscaling:groupName": "controllers", "kubecfn:backup-bucket": "backups"}
HERE = {"PrivateIpAddress": "10.0.0.7", "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()]}
REFUSED = ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "DescribeInstances")


@pytest.fixture
def patience():
    """A tenth of a second."""
    return Patience(0.1, threading.Event())


def test_a_node_learns_where_it_is_once_and_starts_again_without_ec2(tmp_path, patience):
    """New roles are refused for a while, tags show late; later boots ask nobody, so that data here starts at once."""
    late = {**HERE, "Tags": []}
    found = identity.learn(tmp_path, ME, Ec2(REFUSED, [], [late], [HERE]), patience)

    own = {"kubecfn:backup-bucket": "backups"}
    assert found == identity.Identity(ME, "10.0.0.7", "controllers", "backups", "123456789012", own)
    assert identity.learn(tmp_path, ME, Ec2(REFUSED), patience) == found
    with pytest.raises(StepFailed, match="UnauthorizedOperation"):
        identity.learn(tmp_path, "i-0000000b", Ec2(REFUSED), patience)


def test_an_instance_without_its_bucket_says_what_has_to_be_done(tmp_path, patience):
    """Who forgot the tag reads which one and where."""
    here = {**HERE, "Tags": HERE["Tags"][:1]}

    with pytest.raises(StepFailed, match="no tag kubecfn:backup-bucket: its launch template has to name"):
        identity.learn(tmp_path, ME, Ec2([here]), patience)
