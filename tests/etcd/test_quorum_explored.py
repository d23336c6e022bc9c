"""Every state of a small world, every step our rules allow in it, and broken rules that must not pass."""

from collections.abc import Iterator

import pytest

from tests.etcd import lives, model
from tests.etcd.broken import FAR, MEMBERS, ORDERS, STARTS, STUCK
from tests.etcd.model import Found, Rules, Step


def members(rules: Rules, most: int, size: int) -> Found:
    return model.explore(
        model.every_state(most),
        lambda state: model.steps(rules, state, size),
        lambda state: model.is_settled(state, size),
    )


def from_one(rules: Rules, size: int) -> Found:
    """Explore from a cluster of one, one with strangers and one in excess, with everything that may be seen wrongly."""

    def steps(state: str) -> Iterator[Step]:
        yield from model.steps(rules, state, size)
        yield from model.steps_unsure(rules, state, size)

    return model.explore(
        ["V", "HVVb", "NNVVV"], steps, lambda state: model.is_settled(state, size) or bool(set(state) & set("Hhb"))
    )


def starts(rules: Rules, first: lives.World, **about: bool) -> Found:
    return model.explore([first], lambda world: lives.steps(rules, world, **about), lives.healed)


def nothing(places: int) -> lives.World:
    """Return a world in which no instance was launched yet."""
    return lives.World((lives.Node(),) * places)


@pytest.mark.parametrize(("most", "size"), [(4, 1), (5, 3), (7, 5)])
def test_from_any_state_of_up_to_seven_voters_no_step_of_ours_harms_and_the_cluster_heals(most, size):
    """No allowed change ends quorum, goes below the floor or touches a stranger; whatever is lost for good is replaced."""
    found = members(Rules(), most, size)

    assert (found.flaw, found.trace) == ("", ())
    assert found.stuck == ()
    assert found.states > 1_000


@pytest.mark.parametrize("size", [1, 3])
def test_what_was_not_asked_or_answered_late_allows_nothing_that_harms(size):
    """A look with one answer missing or late never allows what the whole truth forbids."""
    flaws = [
        (state, step)
        for state in model.every_state(4)
        for step in model.steps_unsure(Rules(), state, size)
        if step.flaw
    ]

    assert flaws == []


@pytest.mark.parametrize("stranger", ["H", "h", "b"])
def test_a_member_added_by_hand_is_never_touched_and_costs_no_quorum(stranger):
    """Whoever added a member by hand removes it; beside it ours still harm nothing."""
    states = ["".join(sorted(state + stranger)) for state in model.every_state(4)]

    assert [(state, step) for state in states for step in model.steps(Rules(), state, 3) if step.flaw] == []


def test_whoever_starts_dies_returns_or_takes_over_no_data_is_lost_and_nothing_is_stuck():
    """One founding, no survivor or snapshot over data that may come back, no older cluster beside the newest."""
    found = starts(Rules(), nothing(4), rough=False)

    assert (found.flaw, found.trace) == ("", ())
    assert found.stuck == ()
    assert found.states > 5_000


def test_with_answers_missing_peers_parted_and_restores_ordered_it_is_the_same():
    """In a world of three places: any one question unanswered, peers that lose each other, a person's order at any time."""
    found = starts(Rules(), nothing(3), ordering=True)

    assert (found.flaw, found.trace) == ("", ())
    assert found.stuck == ()
    assert found.states > 5_000


@pytest.mark.parametrize("name", MEMBERS)
def test_a_broken_rule_about_members_is_caught(name):
    """The exploration can fail: each mistake is found, with the way there."""
    rules, flaw = MEMBERS[name]
    found = members(rules, 3, 2) if flaw == STUCK else from_one(rules, 2)

    assert found.flaw if flaw != STUCK else found.stuck
    assert flaw in found.flaw or flaw == STUCK
    assert found.trace


@pytest.mark.parametrize("name", STARTS)
def test_a_broken_rule_about_starting_is_caught(name):
    """The exploration can fail: each mistake is found, with the way there."""
    rules, flaw = STARTS[name]
    found = starts(rules, lives.grown(), rough=False) if name in FAR else starts(rules, nothing(3))

    assert found.flaw if flaw != STUCK else found.stuck
    assert flaw in found.flaw or flaw == STUCK
    assert found.trace


@pytest.mark.parametrize("name", ORDERS)
def test_a_broken_rule_about_orders_is_caught(name):
    """The exploration can fail: each mistake is found, with the way there."""
    rules, flaw = ORDERS[name]
    found = starts(rules, lives.ordered(), ordering=True)

    assert found.flaw if flaw != STUCK else found.stuck
    assert flaw in found.flaw or flaw == STUCK
    assert found.trace
