"""EC2 Image Builder of the embedded AWS: what is kept of recipes and pipelines, and builds whose steps are really run.

What it stands for: EC2 Image Builder API Reference; User Guide, "How Image Builder works". What it cannot show: a booted
instance, the packages of Amazon Linux, a copied snapshot; the image is a folder, and its AMI a name for it.
"""

from __future__ import annotations

from kubecfn.local.api import Service
from kubecfn.local.imagebuilder.builds import Builds
from kubecfn.local.imagebuilder.shelf import Shelf
from kubecfn.local.world import World

__all__ = ["service"]


def service(world: World) -> Service:
    """Start the service; images are folders below ``world.workdir/images``."""
    shelf = Shelf(world)
    builds = Builds(world, shelf)
    return Service({**shelf.operations(), **builds.operations()}, builds.close)
