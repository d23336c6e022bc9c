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


@pytest.fixture
def trio(make):
    """Return a world with three controllers that have settled, and those three."""

    def settled(**about):
        world = make(**about)
        nodes = world.launch(3)
        assert world.run(60, until=world.settled)
        return world, nodes

    return settled
