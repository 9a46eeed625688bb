"""`popnas slides`: a run as slides for a talk."""

from __future__ import annotations

from pathlib import Path

import click

from popnas.cli.terminal.ending import written_to_option
from popnas.cli.terminal.options import WrittenFile, check_is_there
from popnas.cli.terminal.output import echo, echo_events
from popnas.printable import counted, quoted


@click.command("slides")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "output",
    metavar="FILE",
    type=WrittenFile(".pdf"),
    help="The PDF.  [default: slides.pdf in the run's folder]",
)
def command(run: Path, output: Path | None) -> None:
    """Write a PDF of 16:9 slides: setting, score over time, front per step, best cells, predictors, and what
    came after the search.

    A search that still runs gives slides of what it has so far.
    """
    check_is_there(run)
    from popnas.report import slides
    from popnas.report.run_data import RunData
    from popnas.report.views import Views
    from popnas.runs import RunFolder

    folder = RunFolder.open(run)
    path = output or folder.path / "slides.pdf"
    with written_to_option("-o"):
        views = Views(echo_events, are_the_job=True)
        number = slides.write(RunData.of(folder, folder.state()), path, views)
    echo(f"{counted(number, 'slide')}: {quoted(path)}")
