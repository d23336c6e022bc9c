"""What is heard, and what is not taken for heard."""

import member_world  # noqa: F401  it says where the agent's packages are
import pytest
from botocore.exceptions import EndpointConnectionError
from member import sight

from kubecfn.etcd.client import Listed, Status
from kubecfn.etcd.gateway import EtcdError
from kubecfn.etcd.places import Group, NoGroupError
from kubecfn.etcd.store import Stored
from kubecfn.etcd.view import Heard, Known, Machine

AT = "2026-11-21T10:00:00.000Z"
STORED = Stored(2, "i-a", "found", established=2, instances={"i-a": AT, "i-b": AT})


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ({"epoch": 2, "index": 0}, 0),
        ({"epoch": 2, "index": 7, "data": 2, "lost": True}, 7),
        ({"epoch": 1, "index": 0}, None),
        ({"epoch": 3, "index": 0}, None),
        ({"epoch": 2, "index": None}, None),
        ({"epoch": 2, "index": "0"}, None),
        ({"epoch": 2, "index": False}, None),
        ({"index": 0}, None),
        ({}, None),
    ],
)
def test_only_a_word_about_this_epoch_is_heard(said, index):
    """Who held nothing in another epoch may hold all of this one; and what is no number says nothing."""
    made = sight.epoch(STORED, {"i-a": Machine.RUNNING}, {"i-a": said})

    assert [word.index for word in made.words] == [index, None]
    assert [word.machine for word in made.words] == [Machine.RUNNING, Machine.UNKNOWN]


class Refusing:
    """A store or a fleet that does not answer."""

    def __init__(self, error):
        self.error = error

    def __getattr__(self, name):
        def call(*_):
            raise self.error

        return call


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="x"), NoGroupError("none"), OSError("no route")]
)
def test_what_cannot_be_asked_is_not_absent(error):
    """Neither an object nor a peer is denied because nobody answered."""
    seen = sight.see(Refusing(error), Refusing(error), lambda group: group, None)

    assert (seen.object, seen.heard, len(seen.troubles)) == (Known.NOT_ASKED, Heard.NOT_ASKED, 2)
    assert sight.heard_of_others(Refusing(error), lambda group: group, "i-a") is Heard.NOT_ASKED


class Own:
    """This node's etcd: two voters, itself first."""

    def __init__(self, *, learner=False, answers=True):
        self.learner = learner
        self.answers = answers

    def status(self):
        """Answer, or not."""
        if not self.answers:
            raise EtcdError(14, "silent", definite=True)
        return Status("1", "c", "", "3.6.16", 100, 42, 2, 0, 0, self.learner)

    def any_members(self):
        """Return the two."""
        return tuple(Listed(one, name, (), (), learner=False) for one, name in (("1", "i-a"), ("2", "i-b")))


@pytest.mark.parametrize(
    ("data", "peer", "other", "word"),
    [
        (0, None, Machine.RUNNING, (0, 0, False)),
        (2, None, Machine.TERMINATED, (None, 2, False)),
        (2, Own(answers=False), Machine.TERMINATED, (None, 2, False)),
        (2, Own(learner=True), Machine.TERMINATED, (0, 2, False)),
        (2, Own(), Machine.RUNNING, (42, 2, False)),
        (2, Own(), Machine.LEAVING, (42, 2, False)),
        (2, Own(), Machine.UNKNOWN, (42, 2, False)),
        (2, Own(), Machine.TERMINATED, (42, 2, True)),
    ],
)
def test_a_node_says_what_it_holds_and_whether_quorum_is_gone_for_good(data, peer, other, word):
    """A dead etcd says nothing, a learner's copy is none, and only EC2's word makes a voter a lost one."""
    fleet = type("Fleet", (), {"machines": lambda *_: {"i-a": Machine.RUNNING, "i-b": other}})()

    said = sight.own_word(STORED, data, peer, fleet, None, may_vote=False)

    assert (said["epoch"], said["index"], said["data"], said["lost"]) == (2, *word)


def test_one_that_asked_to_vote_and_takes_itself_for_a_learner_has_said_nothing():
    """Killed right after its promotion, a voter may not know of it; what it holds is not taken for nothing."""
    fleet = type("Fleet", (), {"machines": lambda *_: {}})()

    assert sight.own_word(STORED, 2, Own(learner=True), fleet, None, may_vote=True)["index"] is None


def test_a_node_alone_in_its_group_has_nobody_to_hear():
    """Its own etcd without a quorum is in nobody's way."""
    fleet = type("Fleet", (), {"group": lambda _: Group("controllers", 1, ())})()

    assert sight.heard_of_others(fleet, lambda group: group, "i-a") is Heard.NOBODY
