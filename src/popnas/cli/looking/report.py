"""`popnas report`: a run's tables, plots and page again, or several runs compared."""

from __future__ import annotations

from pathlib import Path

import click

from popnas.cli.terminal.ending import written_to_option
from popnas.cli.terminal.options import WrittenFile
from popnas.cli.terminal.output import echo, echo_events
from popnas.errors import UserError
from popnas.printable import quoted


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--pdf", "has_pdf", is_flag=True, help="Write the plots as PDF too (one run).")
@click.option(
    "-o",
    "output",
    metavar="FILE",
    type=WrittenFile(".html"),
    help="Where the comparison of several runs goes.  [default: comparison.html]",
)
def command(runs: tuple[Path, ...], has_pdf: bool, output: Path | None) -> None:
    """Write a run's tables, plots and report.html again; of several runs, a page that compares them."""
    if len(runs) == 1:
        if output is not None:
            raise UserError(
                f"-o {quoted(output)} names the page that compares several runs; one run's report goes into "
                "its folder. Leave out -o, or name more runs."
            )
        _rebuild(runs[0], has_pdf)
        return
    if has_pdf:
        raise UserError("--pdf writes the plots of one run; name only one, or leave out --pdf.")
    from popnas import report
    from popnas.report.views import Views
    from popnas.runs import RunFolder

    path = output or Path("comparison.html")
    with written_to_option("-o"):
        views = Views(echo_events, are_the_job=True)
        report.compare([RunFolder.open(run) for run in runs], path, views)
    echo(f"Comparison: {quoted(path)}")


def _rebuild(run: Path, has_pdf: bool) -> None:
    from popnas.cli.terminal.progress import progress_listener
    from popnas.workflows.searching.rebuild import rebuild

    with progress_listener(is_quiet=False) as listener:
        folder = rebuild(run, has_pdf=has_pdf, tell=listener)
    if folder.report_html.is_file():
        echo(f"Report: {quoted(folder.report_html)}")
    echo(f"Plots:  {quoted(folder.plots)}")
