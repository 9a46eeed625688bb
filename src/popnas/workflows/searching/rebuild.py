"""Everything that is derived from a run's journal, written again: tables, plots, the report."""

from __future__ import annotations

from pathlib import Path

from popnas import report, tasks
from popnas.cells import SearchSpace
from popnas.config import RunConfig
from popnas.errors import RunFolderError, UserError
from popnas.export import description
from popnas.networks.spec import NetworkSpec
from popnas.report.views import Views
from popnas.runs import RunFolder, write_csv
from popnas.workflows.searching import finish
from popnas.workflows.searching.progress import Listener
from popnas.workflows.settings import load_config


def rebuild(path: Path | str, *, has_pdf: bool = False, listener: Listener | None = None) -> RunFolder:
    """Write a run's views and report again, and with `has_pdf` its plots as PDF too.

    Takes no lock: a search that runs meanwhile is not disturbed, and its report shows what it has so far.

    Raises:
        UserError: no run there, or its journal is damaged.
        StorageError: the disk refused.
    """
    listener = listener or Listener()
    folder = RunFolder.open(path)
    state = folder.state()
    config = load_config(folder.config_json())
    fields, made = config.search_space, Views(listener.message, are_the_job=True)
    try:
        spec = _network_spec(folder, config)
    except UserError as error:
        # The data may be gone; all that does not depend on their shape can still be shown.
        listener.message(f"Warning: tables of features are not written: {error}")
        write_csv(folder, state)
        report.write(folder, state, made)
    else:
        space = SearchSpace(fields.operators, fields.blocks, fields.lookback_depth)
        finish.views(folder, state, spec, space, listener, made)
    if has_pdf:
        report.write_pdf(folder, state, made)
    return folder


def _network_spec(folder: RunFolder, config: RunConfig) -> NetworkSpec:
    """From the best model's description; from the data where there is none."""
    try:
        return description.spec_of(description.read(folder.best_model))
    except RunFolderError:
        task = tasks.get(config.dataset.type)
        return task.network_spec(config, task.load(config))
