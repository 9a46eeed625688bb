"""Writes a run's plots and its report into its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.report.run_data import RunData
from popnas.runs.storage import write_bytes, write_text

if TYPE_CHECKING:
    from popnas.runs import RunFolder, RunState


def write(folder: RunFolder, state: RunState, *, has_pdf: bool = False) -> None:
    """Write `plots/*.png` (with `has_pdf` also `*.pdf`) and `report.html`; what does not apply to the run is
    left out.

    Raises:
        StorageError: the disk refused.
    """
    # matplotlib takes half a second to import: only here, where it is needed.
    from popnas.report import canvas, page
    from popnas.report.figures import ordered

    run = RunData.of(folder, state)
    painted = []
    for name, plot in ordered():
        info = plot.compute(run)
        if info is None:
            continue
        figure = plot.paint(info)
        data = canvas.encode(figure)
        write_bytes(folder.plots / f"{name}.png", data)
        if has_pdf:
            write_bytes(folder.plots / f"{name}.pdf", canvas.encode(figure, "pdf"))
        painted.append(page.Painted(name, plot, data))
    write_text(folder.report_html, page.html(run, painted))
