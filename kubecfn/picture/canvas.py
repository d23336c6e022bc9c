"""Boxes, words and arrows as SVG elements; knows nothing of what they mean."""

from __future__ import annotations

from xml.etree import ElementTree as ET

# Average advance of the sans-serif fonts browsers choose, as a share of the font size.
_ADVANCE = 0.56
_STYLE = """
svg { font-family: system-ui, sans-serif; background: #ffffff; }
text { fill: #1d2733; }
.dim { fill: #5b6877; }
.frame { fill: none; stroke: #8fa1b3; stroke-dasharray: 6 4; }
.card { fill: #f6f8fa; stroke: #b9c5d1; }
.network { fill: #eef5ff; stroke: #7aa7e0; }
.public { fill: #f3fbf2; stroke: #85bd7e; }
.api { fill: #fff3e0; stroke: #e09c3b; }
.controllers { fill: #e6efff; stroke: #3b6fd4; }
.pool { fill: #f2ecff; stroke: #8a63d2; }
.node { fill: #ffffff; stroke: #3b6fd4; }
.function { fill: #fff8dc; stroke: #c9a227; }
.zone { fill: #e8f7f5; stroke: #2d9c8f; }
.storage { fill: #fdeeee; stroke: #cf6b6b; }
.arrow { fill: none; stroke: #5b6877; stroke-width: 1.4; }
@media (prefers-color-scheme: dark) {
  svg { background: #11161c; } text { fill: #e4ebf2; } .dim { fill: #97a6b5; }
  .card { fill: #1a222b; stroke: #3b4a59; } .frame { stroke: #56687a; }
  .network { fill: #14202f; } .public { fill: #14231a; } .api { fill: #2b2113; } .controllers { fill: #14213b; }
  .pool { fill: #20183a; } .node { fill: #11161c; } .function { fill: #2a2510; } .zone { fill: #10282a; } .storage { fill: #2d1a1a; }
}
"""


class Canvas:
    """An SVG under construction. Lengths are pixels; the origin is top left."""

    def __init__(self, width: int, height: int, title: str) -> None:
        size = {"width": str(width), "height": str(height), "viewBox": f"0 0 {width} {height}"}
        self.root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", **size})
        ET.SubElement(self.root, "title").text = title
        ET.SubElement(self.root, "style").text = _STYLE
        marker = ET.SubElement(
            ET.SubElement(self.root, "defs"),
            "marker",
            {
                "id": "tip",
                "viewBox": "0 0 8 8",
                "refX": "7",
                "refY": "4",
                "markerWidth": "8",
                "markerHeight": "8",
                "orient": "auto-start-reverse",
            },
        )
        ET.SubElement(marker, "path", {"d": "M0,0 L8,4 L0,8 z", "fill": "#5b6877"})

    def box(self, x: float, y: float, width: float, height: float, style: str, *, ids: tuple[str, ...] = ()) -> None:
        """Draw a rounded box; `ids` are the logical ids it stands for, shown as its tooltip."""
        place = {
            "x": f"{x:g}",
            "y": f"{y:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "rx": "8",
            "class": style,
        }
        rectangle = ET.SubElement(self.root, "rect", place)
        if ids:
            rectangle.set("data-resources", " ".join(ids))
            ET.SubElement(rectangle, "title").text = "\n".join(ids)

    def words(
        self,
        x: float,
        y: float,
        line: str,
        *,
        size: int = 12,
        room: float = 0,
        bold: bool = False,
        dim: bool = False,
        middle: bool = False,
    ) -> None:
        """Write one line with its baseline at `y`; what does not fit in `room` is cut and kept as a tooltip."""
        attributes = {"x": f"{x:g}", "y": f"{y:g}", "font-size": str(size)}
        if bold:
            attributes["font-weight"] = "600"
        if dim:
            attributes["class"] = "dim"
        if middle:
            attributes["text-anchor"] = "middle"
        element = ET.SubElement(self.root, "text", attributes)
        fits = int(room / (size * _ADVANCE)) if room else len(line)
        element.text = line if len(line) <= fits else line[: max(1, fits - 1)] + "…"
        if element.text != line:
            ET.SubElement(element, "title").text = line

    def arrow(self, *points: tuple[float, float]) -> None:
        """Draw a line through `points` with a tip at its end."""
        path = "M" + " L".join(f"{x:g},{y:g}" for x, y in points)
        ET.SubElement(self.root, "path", {"d": path, "class": "arrow", "marker-end": "url(#tip)"})

    def svg(self) -> str:
        """Return the drawing as text."""
        ET.indent(self.root)
        return ET.tostring(self.root, encoding="unicode") + "\n"


def wrapped(words: list[str], room: float, size: int) -> list[str]:
    """Return `words` joined by commas into lines no longer than `room` pixels."""
    fits = max(8, int(room / (size * _ADVANCE)))
    lines, line = [], ""
    for word in words:
        longer = f"{line}, {word}" if line else word
        if line and len(longer) > fits:
            lines.append(line + ",")
            line = word
        else:
            line = longer
    return [*lines, line] if line else lines
