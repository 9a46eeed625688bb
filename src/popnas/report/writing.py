"""Writes a run's plots and its report into its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from popnas.report.run_data import RunData
from popnas.report.views import Views
from popnas.storage import write_bytes, write_table, write_text

if TYPE_CHECKING:
    from popnas.report.figures import Plot
    from popnas.runs import RunFolder, RunState


def write(folder: RunFolder, state: RunState, views: Views | None = None) -> None:
    """Write `plots/*.png`, with what each shows as CSV, and `report.html`; what does not apply to the run is
    left out, what cannot be drawn is missing.

    Raises:
        StorageError: the disk refused, and the `views` are what was asked for.
    """
    views = views or Views()
    with views.view(str(folder.report_html)):
        # matplotlib takes half a second to import: only here, where it is needed.
        from popnas.report.pages import run_page

        run = RunData.of(folder, state)
        painted = [
            run_page.Painted(name, plot, data)
            for name, plot, data in _figures(run, folder.plots, "png", views)
        ]
        write_text(folder.report_html, run_page.html(run, painted, views))


def write_pdf(folder: RunFolder, state: RunState, views: Views | None = None) -> None:
    """Write `plots/*.pdf`, for papers and slides.

    Raises:
        StorageError: the disk refused, and the `views` are what was asked for.
    """
    for _ in _figures(RunData.of(folder, state), folder.plots, "pdf", views or Views()):
        pass


def _figures(run: RunData, plots: Path, kind: str, views: Views) -> Iterator[tuple[str, Plot, bytes]]:
    """The figures that apply to the run, written into `plots`, in the order of the report."""
    from popnas.report import canvas
    from popnas.report.figures import FIGURES, ordered

    for name, plot in ordered():
        path, data = plots / f"{name}.{kind}", b""
        with views.view(str(path)):
            info = plot.compute(run)
            if info is not None:
                data = canvas.encode(plot.figure(info), kind)
                write_bytes(path, data)
                if plot.table is not None:
                    write_table(path.with_suffix(".csv"), *plot.table(info))
        if data:
            yield name, plot, data
    for reason in FIGURES.broken:
        views.lost("a figure from elsewhere", reason)
