"""What is heard, and what is not taken for heard."""

import member_world  # noqa: F401  it says where the agent's packages are
import pytest
from botocore.exceptions import EndpointConnectionError
from member import sight

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


def test_a_node_alone_in_its_group_has_nobody_to_hear():
    """Its own etcd without a quorum is in nobody's way."""
    fleet = type("Fleet", (), {"group": lambda _: Group("controllers", 1, ())})()

    assert sight.heard_of_others(fleet, lambda group: group, "i-a") is Heard.NOBODY
