"""The report of a run: one HTML file with everything inside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from popnas.report.figures import Plot
from popnas.report.run_data import RunData


@dataclass(frozen=True)
class Painted:
    """A figure of the run as PNG bytes."""

    name: str
    plot: Plot
    png: bytes


def html(run: RunData, painted: Sequence[Painted]) -> str:
    """The whole page."""
    best = run.state.best
    result = (
        f"<p>Best cell <code>{escape(best.cell)}</code>: {best.score:.4f}</p>"
        if best
        else "<p>No cell has been trained yet.</p>"
    )
    figures = "".join(
        f'<figure><img alt="{escape(item.plot.caption)}" src="data:image/png;base64,'
        f'{base64.b64encode(item.png).decode()}"><figcaption>{escape(item.plot.caption)}</figcaption></figure>'
        for item in painted
    )
    return f"<!doctype html><meta charset=utf-8><title>{escape(run.name)}</title>{result}{figures}"
