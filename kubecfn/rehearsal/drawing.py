"""Marks on paper: SVG elements, their colours in light and dark, and how seconds and milliseconds are written."""

from __future__ import annotations

from xml.etree import ElementTree as ET

# Hues that people with any colour vision tell apart (Okabe and Ito, "Color Universal Design"); forms differ as well.
STYLE = """
svg.timeline { font-family: system-ui, "Helvetica Neue", Arial, sans-serif; }
.paper { fill: #ffffff; } text { fill: #1d2733; } .dim { fill: #5b6877; }
.title { font-size: 21px; font-weight: 650; } .value { font-size: 21px; font-weight: 650; } .small { font-size: 11px; }
.mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 11px; }
.tile { fill: #f4f7fa; } .panel { fill: #f8fafc; stroke: #dde5ec; } .grid { stroke: #dde5ec; stroke-width: 1; }
.rail { stroke: #e3e9ef; stroke-width: 1; } .axis { stroke: #8fa1b3; stroke-width: 1; }
.booting { fill: none; stroke: #8fa1b3; stroke-width: 1.4; stroke-dasharray: 3 2; }
.learner { fill: #f0c04c; stroke: #b98a12; stroke-width: 1; }
.voter { fill: #8ec5ea; stroke: #3d86b8; stroke-width: 1; }
.leader { fill: #0b6fb0; stroke: #07466f; stroke-width: 1; }
.leaving { fill: #dcb3d0; stroke: #a85f92; stroke-width: 1; }
.dead { fill: #c8441b; stroke: #c8441b; stroke-width: 1; }
.found, .grow { fill: #009e73; } .roll { fill: #0b6fb0; } .kill { fill: #c8441b; } .restore { fill: #a85f92; }
.backup { fill: #b98a12; } .other { fill: #5b6877; }
.wash { fill-opacity: 0.09; } .band { fill-opacity: 0.9; } .onband { fill: #ffffff; }
.latency { stroke: #7fb8de; stroke-width: 1.1; fill: none; } .typical { stroke: #07466f; stroke-width: 1.6; fill: none; }
.unanswered { stroke: #c8441b; stroke-width: 2; } .stall { stroke: #c8441b; stroke-width: 2; } .stallword { fill: #a5320f; font-weight: 600; }
.halo { stroke: #f8fafc; stroke-width: 3; paint-order: stroke; stroke-linejoin: round; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #11161c; } text { fill: #e4ebf2; } .dim { fill: #97a6b5; }
  .tile { fill: #1a222b; } .panel { fill: #151c24; stroke: #2a3642; } .grid { stroke: #27323d; } .rail { stroke: #222d37; }
  .axis { stroke: #56687a; } .booting { stroke: #7d8fa1; } .voter { fill: #2f6f9c; stroke: #6db1de; }
  .leader { fill: #7cc4f2; stroke: #d2ecfb; } .learner { fill: #b98a12; stroke: #f0c04c; }
  .leaving { fill: #7d4a6e; stroke: #dcb3d0; } .dead { fill: #e8663d; stroke: #e8663d; } .wash { fill-opacity: 0.2; }
  .latency { stroke: #35749f; } .typical { stroke: #b9e0f7; } .unanswered, .stall { stroke: #f08660; }
  .stallword { fill: #f5a487; } .halo { stroke: #151c24; } .roll { fill: #2f81bd; } .other { fill: #6b7a8a; } .onband { fill: #ffffff; }
}
"""
# Average advance of the sans-serif fonts that browsers choose, as a share of the font size.
_ADVANCE = 0.56


def width_of(words: str, size: float = 12) -> float:
    """Return about how many pixels a line takes."""
    return len(words) * size * _ADVANCE


def seconds(value: float) -> str:
    """Write a duration the way a person says it: ``4 ms``, ``0.41 s``, ``12.3 s``, ``2 min 5 s``."""
    if value <= 0:
        return "0 s"
    if value < 0.0995:  # noqa: PLR2004  from here on two digits say enough
        return f"{value * 1000:.0f} ms" if value >= 0.00095 else f"{value * 1000:.1f} ms"  # noqa: PLR2004
    if value < 60:  # noqa: PLR2004  seconds in a minute
        return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s"  # noqa: PLR2004
    whole = round(value)
    return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"


def number(value: float) -> str:
    """Write a coordinate: to the tenth of a pixel, as short as it goes."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


class Paper:
    """An SVG under construction. Lengths are pixels; the origin is top left."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        size = {"width": number(width), "height": number(height), "viewBox": f"0 0 {number(width)} {number(height)}"}
        named = {"role": "img", "aria-labelledby": "timeline-title timeline-description", "class": "timeline"}
        self.root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, **named})
        ET.SubElement(self.root, "title", {"id": "timeline-title"}).text = title
        ET.SubElement(self.root, "desc", {"id": "timeline-description"}).text = description
        ET.SubElement(self.root, "style").text = STYLE
        self.box(0, 0, width, height, "paper", round_by=0)

    def box(
        self, x: float, y: float, width: float, height: float, style: str, *, tip: str = "", round_by: float = 3
    ) -> ET.Element:
        """Draw a rounded box with a tooltip."""
        place = {"x": number(x), "y": number(y), "width": number(max(width, 0.8)), "height": number(height)}
        element = ET.SubElement(self.root, "rect", {**place, "rx": number(round_by), "class": style})
        return _with_tip(element, tip)

    def line(self, x: float, y: float, to_x: float, to_y: float, style: str, *, tip: str = "") -> ET.Element:
        """Draw a straight line."""
        ends = {"x1": number(x), "y1": number(y), "x2": number(to_x), "y2": number(to_y)}
        return _with_tip(ET.SubElement(self.root, "line", {**ends, "class": style}), tip)

    def path(self, points: str, style: str) -> None:
        """Draw what an SVG path says; nothing when it says nothing."""
        if points:
            ET.SubElement(self.root, "path", {"d": points, "class": style})

    def words(self, x: float, y: float, line: str, style: str = "", *, size: float = 12, anchor: str = "start") -> None:
        """Write one line with its baseline at `y`."""
        place = {"x": number(x), "y": number(y), "font-size": number(size), "text-anchor": anchor}
        ET.SubElement(self.root, "text", {**place, **({"class": style} if style else {})}).text = line

    def svg(self) -> str:
        """Return the drawing as text."""
        ET.indent(self.root)
        return ET.tostring(self.root, encoding="unicode") + "\n"


def _with_tip(element: ET.Element, tip: str) -> ET.Element:
    if tip:
        ET.SubElement(element, "title").text = tip
    return element
