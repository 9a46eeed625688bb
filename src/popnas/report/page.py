"""The report of a run: one HTML file with everything inside."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib import metadata

from popnas.report import markup
from popnas.report._look import CSS, SCRIPT
from popnas.report.figures import Plot
from popnas.report.run_data import RunData
from popnas.report.sections import details, final, front, masks, result
from popnas.report.views import Views

Part = Callable[[RunData], str]

OUTLINE: tuple[tuple[str, tuple[Part, ...], tuple[Part, ...]], ...] = (
    ("Result", (result.render,), ()),
    ("Final network", (final.render,), ()),
    ("Predicted masks", (masks.render,), ()),
    ("Confirmation", (), (result.confirmation_table,)),
    ("Pareto front", (front.front_table,), (details.volumes,)),
    ("What to do next", (front.next_steps,), ()),
    ("Best cells", (front.best_cells,), ()),
    ("Step by step", (), ()),
    ("Operators and inputs", (), ()),
    ("Predictors", (), (details.fits,)),
    ("Costs", (), (details.times,)),
    ("Failures", (details.failures,), ()),
    ("Settings and versions", (details.settings,), ()),
)
"""Heading, what stands above its figures, what below. Figures of other headings come before the failures."""


@dataclass(frozen=True)
class Painted:
    """A figure of the run as PNG bytes."""

    name: str
    plot: Plot
    png: bytes


def html(run: RunData, painted: Sequence[Painted], views: Views) -> str:
    """The whole page of a run, without the parts that cannot be made."""
    known = {title for title, _, _ in OUTLINE}
    own = list(dict.fromkeys(item.plot.section for item in painted if item.plot.section not in known))
    outline = [*OUTLINE[:-2], *((title, (), ()) for title in own), *OUTLINE[-2:]]
    sections = []
    for title, above, below in outline:
        figures = (figure(item) for item in painted if item.plot.section == title)
        made = partial(_made, run, title, views)
        content = "".join([*map(made, above), *figures, *map(made, below)])
        if content:
            sections.append((title, content))
    return document(run.name, _subtitle(run), sections)


def _made(run: RunData, title: str, views: Views, part: Part) -> str:
    with views.view(f"the report's part '{title}'"):
        return part(run)
    return ""


def document(title: str, subtitle: str, sections: Sequence[tuple[str, str]]) -> str:
    """A page of headed sections (HTML); the title and subtitle are escaped here."""
    links = "".join(f'<a href="#{_anchor(name)}">{markup.text(name)}</a>' for name, _ in sections)
    body = "".join(
        f'<section id="{_anchor(name)}"><h2>{markup.text(name)}</h2>{content}</section>'
        for name, content in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{markup.text(title)} · popnas</title><style>{CSS}</style></head><body>"
        f'<header><h1>{markup.text(title)}</h1><p class="sub">{markup.text(subtitle)}</p>'
        f"<nav>{links}</nav></header>"
        f"<main>{body}</main><footer>Written by popnas {markup.text(metadata.version('popnas'))}. Everything "
        f"on this page is inside this file.</footer><script>{SCRIPT}</script></body></html>\n"
    )


def figure(item: Painted) -> str:
    """A plot with its caption."""
    return figure_html(item.png, item.plot.caption)


def figure_html(png: bytes, caption: str) -> str:
    """A PNG inside the page. Its size is given, so that the page does not jump while it loads."""
    width, height = struct.unpack(">II", png[16:24])
    data = base64.b64encode(png).decode()
    return (
        f'<figure><div class="plot"><img width="{width}" height="{height}" '
        f'alt="{markup.text(caption)}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{markup.text(caption)}</figcaption></figure>"
    )


def _subtitle(run: RunData) -> str:
    dataset = run.config.get("dataset") or {}
    words = [
        f"Search on {dataset.get('name') or dataset.get('path') or 'unknown data'}",
        str(dataset.get("type", "")).replace("_", " "),
        " and ".join(item.title for item in run.objectives),
        _date(run),
    ]
    return " · ".join(word for word in words if word)


def _date(run: RunData) -> str:
    started = str(run.sessions[0].get("time", "")) if run.sessions else ""
    try:
        return f"started {datetime.fromisoformat(started):%d %B %Y, %H:%M} UTC"
    except ValueError:
        return ""


def _anchor(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title.lower())
