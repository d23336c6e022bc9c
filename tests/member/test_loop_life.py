import pytest
from member_world import World


@pytest.fixture
def make(tmp_path):
    """Return worlds that end with the test."""
    made = []

    def world(**about):
        made.append(World(tmp_path, **about))
        return made[-1]

    yield world
    for one in made:
        one.close()


def test_three_controllers_found_one_cluster_and_settle(make):
    """One founds, two join as learners and are promoted; every agent says that it is settled."""
    world = make()
    world.launch(3)

    assert world.run(60, until=world.settled)
    assert len(world.foundings()) == 1
    assert world.lost() == []
