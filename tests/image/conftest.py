"""What the image's tests share: publishers on loopback, and a lock made from what they say."""

import pytest
from image_publishers import World

from kubecfn.image.lock import make_lock
from kubecfn.image.publishers import Web
from kubecfn.versions import choose


@pytest.fixture(scope="session")
def world():
    """Every publisher of one image of Kubernetes 1.36, on loopback."""
    with World.of(choose("1.36")) as made:
        yield made


@pytest.fixture(scope="session")
def lock(world):
    """The lock that these publishers' sums make."""
    return make_lock([choose("1.36")], Web(sleep=lambda _: None), world.publishers)
