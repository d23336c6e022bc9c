"""How soon a controller looks again: at once after an act, soon beside a cluster that serves, seldom where nothing moves."""

from member.loop import Pace


def waits(node):
    """Record what each round came to and how long the node waits then."""
    seen, go_round = [], node.loop.round

    def recorded():
        wait = go_round()
        seen.append((node.loop.last, wait))
        return wait

    node.loop.round = recorded
    return seen


def test_who_acted_looks_again_at_once_and_who_waits_beside_a_cluster_soon(make):
    """Each tenth that a joiner sleeps is a tenth in which the cluster is one failure nearer to its end."""
    world = make()
    nodes = world.launch(3)
    seen = [waits(node) for node in nodes]
    assert world.run(60, until=world.settled)

    rounds = [one for each in seen for one in each]
    acts = [(done.decision, wait) for done, wait in rounds if done.acted]
    assert {decision for decision, _ in acts} == {"found", "establish", "enlist", "join", "promoted"}
    assert {wait for _, wait in acts} == {Pace.acted}
    near = [wait for done, wait in rounds if done.near and not done.acted]
    assert near
    assert max(near) <= Pace.joining


def test_who_waits_for_a_place_beside_a_cluster_never_looks_away_for_long(trio):
    """A silent voter is removed after 20 s; whoever is to follow it is there then."""
    world, nodes = trio()
    world.power_off(nodes[0])
    joiner = world.launch(1)[0]
    seen = waits(joiner)
    world.run(15)

    assert [wait for done, wait in seen if done.decision == "join"][-1] == Pace.joining


def test_who_waits_where_nothing_moves_looks_ever_more_seldom(make):
    """A cluster that lost its quorum may stay so for hours: nobody asks AWS twice a second for so long."""
    world = make()
    nodes = world.launch(3)
    assert world.run(60, until=world.settled)
    for node in nodes[1:]:
        world.power_off(node)
    seen = waits(nodes[0])
    world.run(120)

    silent = [wait for done, wait in seen if not done.serves]
    assert silent[-1] == Pace.most
    assert not any(done.near for done, _ in seen[-3:])
