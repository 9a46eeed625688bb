"""A layout as SVG text. Classes let the page recolour it in dark mode; alone it brings its own colours."""

from __future__ import annotations

from popnas.report import markup
from popnas.report.drawing.families import tint
from popnas.report.drawing.layout import FONT_SIZE, SMALL_FONT_SIZE, Box, Layout, Line

_ARROW = 5.0


def svg_text(layout: Layout) -> str:
    """The drawing as one `<svg>` element, which is also a whole file."""
    size = f'width="{_number(layout.width)}" height="{_number(layout.height)}"'
    view = f'viewBox="0 0 {_number(layout.width)} {_number(layout.height)}"'
    frames = [box for box in layout.boxes if box.kind == "frame"]
    others = [box for box in layout.boxes if box.kind != "frame"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cell" role="img" {size} {view} '
        f'font-family="system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif" '
        f'font-size="{FONT_SIZE:g}" text-anchor="middle">',
        f"<title>{markup.text(layout.title)}</title>",
        *map(_box, frames),
        *map(_line, layout.lines),
        *map(_box, others),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(box: Box) -> str:
    fill, stroke, radius = {
        "frame": ("#f6f7f9", "#d5d9e0", 10.0),
        "lookback": ("#ffffff", box.colour, box.height / 2),
        "operator": (tint(box.colour), box.colour, 5.0),
        "join": ("#ffffff", box.colour, box.height / 2),
        "output": ("#1f2328", "#1f2328", box.height / 2),
    }[box.kind]
    left, top = box.x - box.width / 2, box.y - box.height / 2
    shape = (
        f'<rect class="{box.kind}" x="{_number(left)}" y="{_number(top)}" width="{_number(box.width)}" '
        f'height="{_number(box.height)}" rx="{_number(radius)}" fill="{fill}" stroke="{stroke}"/>'
    )
    if box.kind == "frame":
        return shape + (
            f'<text class="of-frame" x="{_number(left + 9)}" y="{_number(top + box.height - 9)}" '
            f'text-anchor="start" font-size="{SMALL_FONT_SIZE:g}" fill="#6b7280">'
            f"{markup.text(box.label)}</text>"
        )
    ink = "#ffffff" if box.kind == "output" else "#1f2328"
    return shape + (
        f'<text class="of-{box.kind}" x="{_number(box.x)}" y="{_number(box.y + 0.35 * FONT_SIZE)}" '
        f'fill="{ink}">{markup.text(box.label)}</text>'
    )


def _line(line: Line) -> str:
    (x, y), *rest = line.points
    path = [f"M{_number(x)} {_number(y)}"]
    if line.has_arrow:
        end_x, end_y = rest[-1]
        rest[-1] = (end_x, end_y - _ARROW)
    for next_x, next_y in rest:
        middle = (y + next_y) / 2
        path.append(
            f"C{_number(x)} {_number(middle)} {_number(next_x)} {_number(middle)} "
            f"{_number(next_x)} {_number(next_y)}"
        )
        x, y = next_x, next_y
    drawn = f'<path d="{"".join(path)}" fill="none" stroke="{line.colour}" stroke-width="1.5"/>'
    if line.has_arrow:
        points = f"{_number(x - 4)},{_number(y - 1)} {_number(x + 4)},{_number(y - 1)}"
        drawn += f'<polygon points="{points} {_number(x)},{_number(y + _ARROW)}" fill="{line.colour}"/>'
    return f'<g class="line">{drawn}</g>'


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
