"""Small pieces of HTML, and numbers as people read them. Everything that comes from outside is escaped
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from popnas.printable import printable, told_apart


@dataclass(frozen=True)
class Value:
    """A table's cell that is sorted by `sort` (numbers as numbers) and shown as `html`, which is escaped
    already.
    """

    html: str
    sort: float | str | None = None


def text(value: object) -> str:
    """Any text, escaped; what would turn or hide letters is shown as \\u202e."""
    return escape(printable(str(value)))


def names(values: Sequence[str]) -> list[str]:
    """A user's names of classes, which do not look alike; of a very long one its ends, and all of it where
    the mouse points."""
    return [
        text(value) if shown == value else f'<span title="{text(value)}">{text(shown)}</span>'
        for value, shown in zip(values, told_apart(values), strict=True)
    ]


def code(value: object) -> str:
    """A cell, a name, a path."""
    return f"<code>{text(value)}</code>"


def command(line: str) -> str:
    """A shell command; a click selects all of it."""
    return f'<code class="command">{text(line)}</code>'


def score(value: float | None, half: float | None = None) -> Value:
    """A score in 0..1; with the half of its 95 % interval, where that is known."""
    return _value(value, lambda number: f"{number:.4f}" + ("" if half is None else f" ± {half:.4f}"))


def count(value: float | None) -> Value:
    """A count: 12,345."""
    return _value(value, lambda number: f"{number:,.0f}")


def large(value: float | None) -> Value:
    """A large count with three digits: 1.23 M."""
    return _value(value, _large)


def seconds(value: float | None) -> Value:
    """A duration in the unit that suits it."""
    return _value(value, duration)


def in_unit(value: float | None, unit: str) -> Value:
    """A figure of an objective."""
    if unit == "s":
        return seconds(value)
    return _value(value, lambda number: f"{number:,.0f}" if number == int(number) else f"{number:.4g}")


def percent(value: float | None) -> Value:
    """A share of 1 in percent."""
    return _value(value, lambda number: f"{100 * number:.1f} %")


def duration(value: float) -> str:
    """Seconds as 0.42 ms, 12.3 s, 4 min 05 s, 3 h 20 min."""
    if value < 1e-3:
        return f"{1e6 * value:.3g} µs"
    if value < 1:
        return f"{1e3 * value:.3g} ms"
    if value < 99.95:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def table(header: Sequence[str], rows: Sequence[Sequence[Value | str]], *, classes: str = "") -> str:
    """A table that a click on a heading sorts; plain strings are escaped."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="sortable {classes}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def tiles(items: Sequence[tuple[str, str]]) -> str:
    """Figures with their names, (name, HTML), side by side."""
    parts = (f"<div><dt>{text(name)}</dt><dd>{value}</dd></div>" for name, value in items)
    return f'<dl class="tiles">{"".join(parts)}</dl>'


def _cell(value: Value | str) -> str:
    if isinstance(value, str):
        return f"<td>{text(value)}</td>"
    is_number = isinstance(value.sort, int | float)
    sort = "" if value.sort is None else f' data-sort="{text(value.sort)}"'
    return f"<td{sort}{' class=number' if is_number else ''}>{value.html}</td>"


def _value(value: float | None, show: object) -> Value:
    if value is None:
        return Value("–")
    assert callable(show)
    return Value(text(show(value)), float(value))


def _large(value: float) -> str:
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.0f}"
