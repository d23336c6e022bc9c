"""An etcd that takes its time to start is not taken for one that lost its data."""

from dataclasses import replace


class SlowDisk:
    """Hands whose etcd has no data yet when the round after a join begins, and has it when the look is over."""

    def __init__(self, hands):
        self._hands = hands
        self._late = 0
        self.joins = 0

    def __getattr__(self, name):
        return getattr(self._hands, name)

    def join(self, epoch, initial_cluster):
        """Join, with the data still to come."""
        self._hands.join(epoch, initial_cluster)
        self.joins += 1
        self._late = 1

    def data_epoch(self):
        """Say once that there is none."""
        if self._late:
            self._late -= 1
            return 0
        return self._hands.data_epoch()


def test_a_joiner_whose_etcd_makes_its_data_during_a_look_is_left_alone(make):
    """Its name in the list says that its log was there before: what was not seen at first is looked for again."""
    world = make(size=2)
    world.launch(1)
    assert world.run(30, until=world.settled) or world.serving()
    joiner = world.launch(1)[0]
    world.run(30, until=lambda: joiner.loop)
    slow = SlowDisk(joiner.loop._world.hands)
    joiner.loop._world = replace(joiner.loop._world, hands=slow)

    assert world.run(60, until=world.settled)
    assert slow.joins == 1
