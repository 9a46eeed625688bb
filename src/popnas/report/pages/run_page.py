"""The report of a run: one HTML file with everything inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from popnas.report.figures import Plot
from popnas.report.pages._base import document, figure_html
from popnas.report.run_data import RunData
from popnas.report.sections import details, ensembles, final, front, masks, references, result, selected
from popnas.report.views import Views

Part = Callable[[RunData], str]

OUTLINE: tuple[tuple[str, tuple[Part, ...], tuple[Part, ...]], ...] = (
    ("Result", (result.render,), ()),
    ("Final network", (final.render, ensembles.render, references.render), ()),
    ("Model selection", (selected.render,), ()),
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


def figure(item: Painted) -> str:
    """A plot with its caption."""
    return figure_html(item.png, item.plot.caption)


def _subtitle(run: RunData) -> str:
    words = [
        f"Search on {run.data_name or 'unknown data'}",
        (run.task or "").replace("_", " "),
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
