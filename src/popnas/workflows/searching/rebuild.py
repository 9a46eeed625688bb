"""Everything that is derived from a run's journal, written again: tables, plots, the report."""

from __future__ import annotations

from pathlib import Path

from popnas import evaluators, report
from popnas.errors import UserError
from popnas.events import Listen, Warned, nobody
from popnas.report.views import Views
from popnas.runs import RunFolder, write_csv
from popnas.workflows.searching import finish
from popnas.workflows.settings import load_run_config


def rebuild(path: Path | str, *, has_pdf: bool = False, tell: Listen = nobody) -> RunFolder:
    """Write a run's views and report again, and with `has_pdf` its plots as PDF too.

    Takes no lock: a search that runs meanwhile is not disturbed, and its report shows what it has so far.

    Raises:
        UserError: no run there, or its journal is damaged.
        StorageError: the disk refused.
    """
    folder = RunFolder.open(path)
    state = folder.state()
    config = load_run_config(folder)
    made = Views(tell, are_the_job=True)
    try:
        cells_stacked = evaluators.stacking(config, folder.path)
    except UserError as error:
        # The data may be gone; all that does not depend on their shape can still be shown.
        tell(Warned(f"tables of features are not written: {error}"))
        write_csv(folder, state)
        report.write(folder, state, made)
    else:
        finish.views(folder, state, cells_stacked, config.space, tell, made)
    if has_pdf:
        report.write_pdf(folder, state, made)
    return folder
