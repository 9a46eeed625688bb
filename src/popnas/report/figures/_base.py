"""What a figure declares about itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from popnas.report.run_data import RunData
from popnas.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plot:
    """A figure of a run.

    Attributes:
        order: place in the report.
        section: heading of the report under which it stands.
        caption: what one sees and how to read it, in plain words.
        compute: numbers of the figure as a frozen dataclass; None where it does not apply.
        paint: the figure from these numbers alone.
        table: these numbers for the CSV file beside it; None: there is no file.
    """

    order: int
    section: str
    caption: str
    compute: Callable[[RunData], Any]
    paint: Callable[[Any], Figure]
    table: Callable[[Any], Table] | None = None

    def figure(self, info: Any) -> Figure:
        """Paint in the look that all figures share."""
        from popnas.report import canvas

        with canvas.look():
            return self.paint(info)
