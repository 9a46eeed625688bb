"""Writes a run's plots and its report into its folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from popnas.report.run_data import RunData
from popnas.runs.storage import write_bytes, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from popnas.report.figures import Plot
    from popnas.runs import RunFolder, RunState


def write(folder: RunFolder, state: RunState) -> None:
    """Write `plots/*.png` and `report.html`; what does not apply to the run is left out.

    Raises:
        StorageError: the disk refused.
    """
    # matplotlib takes half a second to import: only here, where it is needed.
    from popnas.report import canvas, page

    run = RunData.of(folder, state)
    painted = []
    for name, plot, figure in _figures(run):
        data = canvas.encode(figure)
        write_bytes(folder.plots / f"{name}.png", data)
        painted.append(page.Painted(name, plot, data))
    write_text(folder.report_html, page.html(run, painted))


def write_pdf(folder: RunFolder, state: RunState) -> None:
    """Write `plots/*.pdf`, for papers and slides.

    Raises:
        StorageError: the disk refused.
    """
    from popnas.report import canvas

    for name, _, figure in _figures(RunData.of(folder, state)):
        write_bytes(folder.plots / f"{name}.pdf", canvas.encode(figure, "pdf"))


def _figures(run: RunData) -> Iterator[tuple[str, Plot, Figure]]:
    """The figures that apply to the run, in the order of the report."""
    from popnas.report.figures import ordered

    for name, plot in ordered():
        info = plot.compute(run)
        if info is not None:
            yield name, plot, plot.figure(info)
