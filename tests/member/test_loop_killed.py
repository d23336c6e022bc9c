"""Killed between any two things it does, and started again: whatever lies there is gone on with."""

import pytest

MOST = 60


def killed_everywhere(make, prepare, *, whole, expect, **about):
    """Run a story once for every step at which its main actor can be killed; return how many there were.

    Args:
        make: makes worlds.
        prepare: brings a world to where the story begins and returns the actor, which is booted here.
        whole: the node loses its power; otherwise only the agent is killed and etcd goes on.
        expect: what was made in the end, by way.
        about: the worlds'.
    """
    for step in range(1, MOST):
        world = make(**about)
        actor = prepare(world)
        world.boot(actor, kill_at=step)
        world.run(200, until=lambda world=world, actor=actor: actor.program.ended or world.settled())
        if not actor.program.ended:
            world.close()
            return step
        if whole:
            world.power_off(actor)
        world.boot(actor, after=1.0)
        assert world.run(300, until=world.settled), (
            step,
            world.steps[-1],
            {n: d.loop.last for n, d in world.nodes.items()},
        )
        assert [way for way, _, _ in world.made] == expect, step
        assert set(world.saved) <= set(world.serving()[0].keys), step
        if "restore" not in expect:
            assert world.lost() == [], step
        world.close()
    raise AssertionError("the story never ended")


def first(world):
    """Launch two; the other comes when the first is well on its way, or long dead."""
    actor = world.launch(1)[0]
    world.sim.kill(actor.program)
    world.launch(1, after=lambda: 2.0)
    return actor


def joiner(world):
    """One serves; a second comes."""
    founder = world.launch(1)[0]
    world.run(60, until=lambda: founder.loop.last.serves)
    actor = world.launch(1)[0]
    world.sim.kill(actor.program)
    return actor


def after_total_loss(world):
    """All were terminated after a backup; the first of the new ones comes alone."""
    nodes = world.launch(2)
    world.run(60, until=world.settled)
    world.backup(nodes[0], 1)
    for node in nodes:
        world.terminate(node)
    return first(world)


def survivor(world):
    """One of two was terminated; the other's agent starts again."""
    nodes = world.launch(2)
    world.run(60, until=world.settled)
    world.terminate(nodes[1])
    world.launch(1, after=lambda: 15.0)
    world.kill(nodes[0])
    return nodes[0]


def under_order(world):
    """A person ordered a restore; the chosen founder's agent starts again."""
    nodes = world.launch(2)
    world.run(60, until=world.settled)
    key = world.backup(nodes[0], 1)
    world.order(key, nodes[0])
    world.kill(nodes[0])
    return nodes[0]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("prepare", "expect", "least"),
    [
        (first, ["found"], 11),
        (joiner, ["found"], 10),
        (after_total_loss, ["found", "restore"], 12),
        (survivor, ["found", "survive"], 14),
        (under_order, ["found", "restore"], 12),
    ],
)
def test_whoever_is_killed_anywhere_goes_on_when_it_starts_again(make, prepare, expect, least, whole):
    """Founding, joining, restoring, surviving and obeying are cut off before and after each thing done: one cluster, nothing lost."""
    assert killed_everywhere(make, prepare, whole=whole, expect=expect, size=2) >= least


def is_made(world, actor):
    """Say whether this node's epoch is established: from then on its death is a cluster's."""
    made = world.stored() if "etcd/cluster.json" in world.bucket.objects else {"founder": ""}
    return made["founder"] == actor.name and made["established"] == made["epoch"]


@pytest.mark.parametrize("prepare", [first, after_total_loss])
def test_whoever_is_killed_anywhere_and_terminated_is_followed_by_another(make, prepare):
    """A founder that never comes back is followed once EC2 calls it terminated; never before, never by two."""
    for step in range(1, MOST):
        world = make(size=2)
        actor = prepare(world)
        world.boot(actor, kill_at=step)
        world.run(200, until=lambda world=world, actor=actor: actor.program.ended or world.settled())
        if not actor.program.ended or any(one.decision == "establish" for one in actor.done) or is_made(world, actor):
            break
        world.power_off(actor)
        made = list(world.made)
        world.run(60)
        claimed = "etcd/cluster.json" in world.bucket.objects and world.stored()["founder"] == actor.name
        assert not claimed or world.made == made, step
        world.terminate(actor)
        world.launch(1)
        assert world.run(300, until=world.settled), (step, {n: d.loop.last for n, d in world.nodes.items()})
        assert len({epoch for _, epoch, _ in world.made}) == len(world.made), step
        world.close()
    assert step > 7
