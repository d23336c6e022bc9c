"""The stack as a picture: read from an emitted template, drawn as SVG."""

from kubecfn.picture.draw import draw
from kubecfn.picture.read import Picture, read

__all__ = ["Picture", "draw", "read", "svg"]


def svg(template: dict[str, object]) -> str:
    """Return the SVG text that shows `template` (a template's dictionary, intrinsics in long form)."""
    return draw(read(template))
