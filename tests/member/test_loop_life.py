"""A cluster's life with nothing but deaths in it: founded, grown, healed, restored, taken over, ordered back."""

import pytest


def names(nodes):
    return {node.name for node in nodes}


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_controllers_found_one_cluster_and_settle(make, size, seed):
    """One founds, the others join as learners and are promoted; every agent says when it is settled."""
    world = make(seed=seed, size=size)
    world.launch(size, after=lambda: world.sim.random.uniform(0, 40))

    assert world.run(200, until=world.settled)
    assert len(world.foundings()) == 1
    assert world.lost() == []
    assert world.stored()["established"] == 1


def test_two_founders_at_the_same_instant_make_one_cluster(make):
    """Whatever the order of their calls, S3 lets one of them win, and the others join it."""
    for seed in range(30):
        world = make(seed=seed, latency=0.2)
        world.launch(3)
        assert world.run(60, until=world.settled), seed
        assert len(world.foundings()) == 1
        world.close()


def test_a_controller_that_dies_is_replaced_and_no_write_is_lost(trio):
    """Its member is collected once EC2 calls it terminated, its replacement joins, the others serve on."""
    world, nodes = trio()
    for _ in range(6):
        world.terminate(nodes[0])
        nodes = [*nodes[1:], *world.launch(1)]
        assert world.run(120, until=world.settled)

    assert world.lost() == []
    assert {one.name for one in world.serving()[0].members.values()} == names(nodes)
    assert world.stored()["epoch"] == 1


def test_a_controller_that_leaves_is_replaced_while_it_serves(trio):
    """The new one is promoted first, then the leaving one's member goes: a roll."""
    world, nodes = trio()
    for old in nodes:
        new = world.launch(1)[0]
        world.leave(old)
        assert world.run(60, until=lambda new=new: new.loop.last.serves)
        assert world.run(60, until=lambda old=old: not old.process or not old.disk)
        world.run(30)
        assert old.name not in {one.name for one in world.serving()[0].members.values()}, "it came back"
        world.terminate(old)
        assert world.run(60, until=world.settled)

    assert world.lost() == []


def test_a_member_that_is_removed_while_it_runs_wipes_its_data_and_joins_again(trio):
    """An operator's mistaken removal, or a collector's with an old view: the node comes back by itself."""
    world, nodes = trio()
    branch = world.serving()[0]
    branch.members.pop(nodes[1].disk.member)

    assert world.run(60, until=lambda: [name for name, _, _ in world.wiped] == [nodes[1].name])
    assert world.run(60, until=world.settled)
    assert world.lost() == []


def test_all_reboot_with_their_data_and_go_on(trio):
    """Nothing is asked of anyone: data that is here is started on, with S3 and EC2 gone as well."""
    world, nodes = trio()
    for node in nodes:
        world.power_off(node)
    world.run(30)
    for node in nodes:
        node.s3.fault = lambda *_: ConnectionError()
        node.ec2 = lambda: OSError("no route")
        world.boot(node)

    assert world.run(20, until=world.serving)
    assert world.lost() == []
    assert world.made == world.foundings()


def test_total_loss_is_restored_from_the_newest_snapshot(trio):
    """All instances terminated: one of the new ones restores what was saved, the others join it; one restorer."""
    world, nodes = trio(backup_every=5)
    world.run(20)
    for node in nodes:
        world.terminate(node)
    saved = list(world.saved)
    world.launch(3)

    assert world.run(60, until=world.settled)
    assert [way for way, _, _ in world.made] == ["found", "restore"]
    assert set(saved) <= set(world.serving()[0].keys)
    assert (world.stored()["epoch"], world.stored()["established"], world.stored()["way"]) == (2, 2, "restore")


def test_total_loss_without_a_snapshot_stops_loudly_and_a_person_can_repair_it(trio):
    """An established cluster is never replaced by an empty one; what is put back is found within a minute."""
    world, nodes = trio()
    world.backup(nodes[0], 1)
    kept = {key: world.bucket.objects.pop(key) for key in list(world.bucket.objects) if key.startswith("snapshots/")}
    for node in nodes:
        world.terminate(node)
    new = world.launch(3)
    world.run(300)

    assert [node.loop.last.decision for node in new] == ["stop"] * 3
    assert "never start empty where data was" in new[0].loop.last.reason
    world.bucket.objects.update(kept)
    assert world.run(120, until=world.settled)
    assert len(world.foundings()) == 1


def test_the_last_of_three_survives_with_all_that_was_acknowledged(trio):
    """Two are terminated at once: the third goes on with its own data, and nothing acknowledged is lost."""
    world, nodes = trio(backup_every=5)
    world.run(20)
    for node in nodes[:2]:
        world.terminate(node)
    world.launch(2)

    assert world.run(120, until=world.settled)
    assert [way for way, _, _ in world.made] == ["found", "survive"]
    assert world.lost() == []


def test_of_two_survivors_the_one_that_has_more_goes_on(make):
    """Three of five are terminated while one of the rest lags behind: the other one takes over, the lagging one joins."""
    world = make(size=5)
    nodes = world.launch(5)
    assert world.run(120, until=world.settled)
    nodes[3].lagging = True
    world.run(5)
    for node in nodes[:3]:
        world.terminate(node)
    nodes[3].lagging = False
    world.launch(3)

    assert world.run(200, until=world.settled)
    assert world.made[-1] == ("survive", 2, nodes[4].name)
    assert (world.lost(), [name for name, _, _ in world.wiped]) == ([], [nodes[3].name])


def test_unreachable_is_not_terminated(trio):
    """Two are powered off but not terminated: nobody takes over, and when they return all is as before."""
    world, nodes = trio(backup_every=5)
    for node in nodes[:2]:
        world.power_off(node)
    world.launch(2)
    world.run(600)

    assert world.made == world.foundings()
    assert world.serving() == []
    for node in nodes[:2]:
        world.boot(node)
    assert world.run(60, until=world.serving)
    assert world.lost() == []


def test_old_data_that_comes_back_is_wiped_and_joins(trio):
    """A controller that slept through a restore never serves what it had."""
    world, nodes = trio(backup_every=5)
    world.run(20)
    sleeper = nodes[0]
    world.power_off(sleeper)
    kept = (sleeper.disk, sleeper.marker)
    for node in nodes:
        world.terminate(node)
    world.launch(2)
    assert world.run(120, until=world.serving)
    back = world.launch(1)[0]
    back.disk, back.marker = kept

    assert world.run(120, until=world.settled)
    assert world.wiped[-1][0] == back.name
    assert len(world.serving()) == 1


def test_a_person_orders_a_restore_and_all_follow(trio):
    """Everyone sets newer data aside, the founder restores what was ordered, the others join; then the rest is removed."""
    world, nodes = trio()
    world.run(10)
    key = world.backup(nodes[0], 1)
    world.run(30)
    world.order(key, nodes[1])

    assert world.run(60, until=lambda: world.made[-1][0] == "restore")
    assert all(node.process is None for node in nodes if node is not nodes[1])
    assert [len(node.aside) for node in nodes] == [1, 1, 1]
    assert world.run(60, until=world.settled)
    assert set(world.saved) <= set(world.serving()[0].keys)
    assert world.made[-1] == ("restore", 2, nodes[1].name)
    assert [node.aside for node in nodes] == [[], [], []]


def test_an_ordered_restore_waits_for_who_has_not_set_its_data_aside(trio):
    """A controller that cannot read the order still serves: nothing is restored beside it, until it is terminated."""
    world, nodes = trio()
    key = world.backup(nodes[0], 1)
    nodes[2].s3.fault = lambda *_: ConnectionError()
    world.order(key, nodes[1])
    world.run(200)

    assert world.made == world.foundings()
    assert nodes[2].name in nodes[1].loop.last.reason
    world.terminate(nodes[2])
    world.launch(1)
    assert world.run(60, until=world.settled)
    assert world.made[-1] == ("restore", 2, nodes[1].name)


def test_an_order_outlives_the_founder_it_named(trio):
    """The chosen founder is terminated: another carries the same order out, with the same snapshot."""
    world, nodes = trio(backup_every=5)
    key = world.backup(nodes[0], 1)
    world.run(20)
    world.order(key, nodes[1])
    world.terminate(nodes[1])
    world.launch(1)

    assert world.run(120, until=world.settled)
    assert (world.made[-1][:2], world.stored()["snapshot"]) == (("restore", 3), key)


def test_a_cluster_object_that_was_deleted_is_written_again_by_who_serves(trio):
    """A person or a lifecycle rule deletes it: a living cluster knows what was in it, and joiners find it again."""
    world, nodes = trio()
    del world.bucket.objects["etcd/cluster.json"]
    world.terminate(nodes[0])
    world.launch(1)

    assert world.run(120, until=world.settled)
    assert (world.stored()["epoch"], world.stored()["established"]) == (1, 1)
    assert world.made == world.foundings()
