"""The critical difference diagram (Demšar 2006): methods on an axis of mean ranks, bars over those among
which no difference is more than chance. As SVG, in pixels.
"""

from __future__ import annotations

from popnas.report import markup
from popnas.report.archive.ranks import Ranking

_WIDTH, _SIDE, _TOP, _ROW, _BAR = 760.0, 210.0, 40.0, 22.0, 10.0


def svg(ranking: Ranking) -> str:
    """The diagram as one `<svg>` element; the better half of the methods is named on the left."""
    methods, number = ranking.methods, len(ranking.methods)
    axis = _TOP + _BAR * len(ranking.cliques)
    half = (number + 1) // 2
    parts = [_line(_SIDE, axis, _WIDTH - _SIDE, axis)]
    for rank in range(1, number + 1):
        x = _place(rank, number)
        parts += [_line(x, axis - 6, x, axis), _text(x, axis - 10, "middle", str(rank))]
    for place, method in enumerate(methods):
        is_left = place < half
        row = place if is_left else number - 1 - place
        x, y = _place(method.rank, number), axis + _ROW * (row + 1.2)
        end = _SIDE - 10 if is_left else _WIDTH - _SIDE + 10
        parts += [_line(x, axis, x, y), _line(x, y, end, y)]
        label = f"{method.name} {method.rank:.2f}"
        parts.append(_text(end + (-5 if is_left else 5), y + 4, "end" if is_left else "start", label))
    for row, (first, last) in enumerate(ranking.cliques):
        y = axis + 6 + _BAR * row
        left, right = (_place(methods[place].rank, number) for place in (first, last))
        parts.append(_line(left - 4, y, right + 4, y, width=4))
    height = axis + _ROW * (half + 1.5)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {_WIDTH:g} {height:g}" '
        f'width="{_WIDTH:g}" height="{height:g}"><title>Critical difference diagram</title>'
        f"{''.join(parts)}</svg>"
    )


def _place(rank: float, number: int) -> float:
    return _SIDE + (rank - 1) / max(number - 1, 1) * (_WIDTH - 2 * _SIDE)


def _line(x: float, y: float, to_x: float, to_y: float, width: float = 1.2) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="currentColor" '
        f'stroke-width="{width:g}"/>'
    )


def _text(x: float, y: float, anchor: str, label: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="13" fill="currentColor">'
        f"{markup.text(label)}</text>"
    )
