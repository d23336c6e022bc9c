"""Where everything stands in the picture: the VPC with its zones as columns, what serves it beside, the legend below."""

from __future__ import annotations

from collections import Counter

from kubecfn.picture.canvas import Canvas, wrapped
from kubecfn.picture.read import Function, Group, Picture, Subnet

WIDTH, MARGIN, GAP = 1280, 30, 14
VPC_WIDTH = 850
SIDE_X = MARGIN + VPC_WIDTH + 40
SIDE_WIDTH = WIDTH - MARGIN - SIDE_X
LINE = 17
TOP = 78
GROUP_HEIGHT = 100
PUBLIC_HEIGHT = 50
API_HEIGHT = 50
# So many groups are drawn one by one; the rest of a long list is one line.
MOST_GROUPS = 14
# So many instances are drawn in one zone's column of a group.
MOST_NODES = 6


def draw(picture: Picture) -> str:
    """Return the picture as SVG text."""
    groups = picture.groups[:MOST_GROUPS]
    rows = _rows(groups, _columns(picture))
    public_height = PUBLIC_HEIGHT + GAP if picture.public else 0
    api_height = (API_HEIGHT + GAP) * len(picture.api)
    vpc_height = (
        66
        + public_height
        + api_height
        + 30
        + (GROUP_HEIGHT + GAP) * len(rows)
        + (26 if len(picture.groups) > MOST_GROUPS else 0)
    )
    side_height = sum(_card_height(lines) for _, lines, _, _ in _side_cards(picture)) + GAP * 3
    body = max(vpc_height, side_height)
    legend = _legend_lines(picture)
    canvas = Canvas(WIDTH, int(TOP + body + 40 + LINE * (len(legend) + 2)), picture.title)
    canvas.words(MARGIN, 34, picture.title, size=20, bold=True, room=WIDTH - 2 * MARGIN)
    total = sum(len(resources) for resources in picture.parts.values())
    canvas.words(MARGIN, 56, f"{total} resources; every one is in the list below the picture", size=12, dim=True)
    _draw_vpc(canvas, picture, rows, vpc_height)
    _draw_side(canvas, picture)
    _draw_legend(canvas, legend, TOP + body + 40)
    return canvas.svg()


def _draw_vpc(canvas: Canvas, picture: Picture, rows: list[list[Group]], height: float) -> None:
    canvas.box(MARGIN, TOP, VPC_WIDTH, height, "network", ids=_ids(picture, "Network"))
    canvas.words(MARGIN + GAP, TOP + 22, picture.vpc, size=13, bold=True, room=VPC_WIDTH - 2 * GAP)
    columns = _columns(picture)
    y = TOP + 34.0
    y = _draw_zones(canvas, picture, columns, y, TOP + height - 10)
    for name, words in picture.api:
        canvas.box(MARGIN + GAP, y, VPC_WIDTH - 2 * GAP, API_HEIGHT, "api", ids=_ids(picture, "API load balancer"))
        canvas.words(MARGIN + 2 * GAP, y + 21, name, size=13, bold=True)
        canvas.words(MARGIN + 2 * GAP, y + 39, words, dim=True, room=VPC_WIDTH - 4 * GAP)
        y += API_HEIGHT + GAP
    y += 16
    for row in rows:
        for group in row:
            if group.balanced and picture.api:
                canvas.arrow((MARGIN + VPC_WIDTH / 2, y - GAP - 16), (MARGIN + VPC_WIDTH / 2, y))
            _draw_group(canvas, group, columns, y)
        y += GROUP_HEIGHT + GAP
    left = len(picture.groups) - sum(len(row) for row in rows)
    if left:
        canvas.words(MARGIN + 2 * GAP, y + 12, f"and {left} more groups", dim=True)


def _rows(groups: tuple[Group, ...], columns: dict[str, tuple[float, float]]) -> list[list[Group]]:
    """Put groups that share no column side by side, in their order."""
    rows: list[list[Group]] = []
    taken: set[str] = set()
    for group in groups:
        own = set(group.subnets) & set(columns) or set(columns)
        if not rows or own & taken:
            rows.append([])
            taken = set()
        rows[-1].append(group)
        taken |= own
    return rows


def _columns(picture: Picture) -> dict[str, tuple[float, float]]:
    """Return the x position and width of each private subnet's column."""
    count = max(1, len(picture.private))
    width = (VPC_WIDTH - 2 * GAP - GAP * (count - 1)) / count
    return {
        subnet.id: (MARGIN + GAP + position * (width + GAP), width) for position, subnet in enumerate(picture.private)
    }


def _draw_zones(
    canvas: Canvas, picture: Picture, columns: dict[str, tuple[float, float]], y: float, bottom: float
) -> float:
    below = y + (PUBLIC_HEIGHT + GAP + 14 if picture.public else 14)
    for (x, width), subnet in zip(columns.values(), picture.private, strict=True):
        canvas.box(x, y, width, bottom - y, "frame", ids=(subnet.id,))
        canvas.words(x + 8, y + 14, subnet.zone or subnet.id, size=11, dim=True, room=width - 16)
        canvas.words(x + 8, bottom - 8, f"{subnet.id} {subnet.cidr}", size=11, dim=True, room=width - 16)
    for (x, width), subnet in zip(columns.values(), picture.public, strict=False):
        _draw_public(canvas, subnet, x + 8, y + 20, width - 16)
    return below


def _draw_public(canvas: Canvas, subnet: Subnet, x: float, y: float, width: float) -> None:
    canvas.box(x, y, width, PUBLIC_HEIGHT - 8, "public", ids=(subnet.id,))
    canvas.words(x + 8, y + 17, f"{subnet.id} {subnet.cidr}", size=11, room=width - 16)
    canvas.words(x + 8, y + 33, "NAT gateway" if subnet.nat else "public", size=11, dim=True)


def _draw_group(canvas: Canvas, group: Group, columns: dict[str, tuple[float, float]], y: float) -> None:
    used = [columns[subnet] for subnet in group.subnets if subnet in columns] or list(columns.values())
    left = min(x for x, _ in used) + 8
    right = max(x + width for x, width in used) - 8
    canvas.box(left, y, right - left, GROUP_HEIGHT, "controllers" if group.balanced else "pool", ids=(group.id,))
    canvas.words(left + 10, y + 20, group.id, size=13, bold=True, room=right - left - 20)
    size = group.least if group.least == group.most else f"{group.least} to {group.most}"
    for number, line in enumerate((f"{size} of {group.types}", " · ".join(group.notes))):
        canvas.words(left + 10, y + 37 + 16 * number, line, size=11, dim=True, room=right - left - 20)
    count = int(group.least) if group.least.isdigit() else 0
    for position, (x, width) in enumerate(used):
        here = count // len(used) + (1 if position < count % len(used) else 0)
        for node in range(min(here, MOST_NODES)):
            canvas.box(x + 18 + node * 26, y + 66, 20, 24, "node")
        if here > MOST_NODES:
            canvas.words(x + 18 + MOST_NODES * 26, y + 83, f"… {here}", dim=True, room=width - 18 - MOST_NODES * 26)


def _side_cards(picture: Picture) -> list[tuple[str, list[str], str, tuple[str, ...]]]:
    cards: list[tuple[str, list[str], str, tuple[str, ...]]] = [
        (words, [name], "zone", (name,)) for name, words in picture.zones
    ]
    cards += [(function.id, _triggers(function), "function", (function.id,)) for function in picture.functions]
    cards += [(name, [words], "storage", (name,)) for name, words in picture.storage]
    for part in ("Identity", "Events", "Logs"):
        if part in picture.parts:
            counted = Counter(_kind(resource_type) for _, resource_type in picture.parts[part])
            lines = wrapped([_counted(kind, count) for kind, count in counted.items()], SIDE_WIDTH - 24, 11)
            cards.append((part, lines, "card", _ids(picture, part)))
    return cards


def _triggers(function: Function) -> list[str]:
    if not function.triggers:
        return ["woken by nothing in this template"]
    return [
        f"on {trigger}" if not trigger.startswith(("rate", "cron")) else f"every {trigger}"
        for trigger in function.triggers
    ]


def _card_height(lines: list[str]) -> float:
    return 30 + LINE * len(lines) + GAP


def _draw_side(canvas: Canvas, picture: Picture) -> None:
    y = float(TOP)
    for title, lines, style, ids in _side_cards(picture):
        height = _card_height(lines) - GAP
        canvas.box(SIDE_X, y, SIDE_WIDTH, height, style, ids=ids)
        canvas.words(SIDE_X + 10, y + 20, title, size=13, bold=True, room=SIDE_WIDTH - 20)
        for number, line in enumerate(lines):
            canvas.words(SIDE_X + 10, y + 38 + LINE * number, line, size=11, dim=True, room=SIDE_WIDTH - 20)
        if style in {"function", "storage", "zone"}:
            middle = y + height / 2
            ends = (SIDE_X, MARGIN + VPC_WIDTH) if style != "storage" else (MARGIN + VPC_WIDTH, SIDE_X)
            canvas.arrow((ends[0], middle), (ends[1], middle))
        y += height + GAP


def _kind(resource_type: str) -> str:
    return resource_type.rsplit("::", 1)[-1]


def _counted(kind: str, count: int) -> str:
    return kind if count == 1 else f"{count} × {kind}"  # noqa: RUF001  the sign that people read as "times"


def _ids(picture: Picture, part: str) -> tuple[str, ...]:
    return tuple(name for name, _ in picture.parts.get(part, ()))


def _legend_lines(picture: Picture) -> list[tuple[str, str, tuple[str, ...]]]:
    lines: list[tuple[str, str, tuple[str, ...]]] = []
    for part, resources in picture.parts.items():
        counted = Counter(_kind(resource_type) for _, resource_type in resources)
        words = [_counted(kind, count) for kind, count in counted.items()]
        for number, line in enumerate(wrapped(words, WIDTH - 2 * MARGIN - 190, 12)):
            lines.append(
                (f"{part} ({len(resources)})" if number == 0 else "", line, _ids(picture, part) if number == 0 else ())
            )
    return lines


def _draw_legend(canvas: Canvas, lines: list[tuple[str, str, tuple[str, ...]]], y: float) -> None:
    for number, (part, line, ids) in enumerate(lines):
        at = y + LINE * number
        if ids:
            canvas.box(MARGIN, at - 12, 8, 12, "card", ids=ids)
        canvas.words(MARGIN + 16, at, part, bold=True)
        canvas.words(MARGIN + 190, at, line, room=WIDTH - 2 * MARGIN - 190)
