"""The data of a run at the place where they are now: a run remembers where it found them, and they may have
been moved since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from popnas import tasks
from popnas.command_lines import as_typed
from popnas.config import RunConfig, changed
from popnas.datasets import Dataset
from popnas.errors import DataError
from popnas.runs import RunFolder
from popnas.runs.folder import absolute
from popnas.workflows.data import facts
from popnas.workflows.settings import load_config

FIELD = "dataset.path"


def new_place(sets: Sequence[str]) -> str | None:
    """Where `--set dataset.path=PLACE` says that the data are now, as an absolute path; None without it."""
    places = [text.partition("=")[2].strip() for text in sets if text.partition("=")[0].strip() == FIELD]
    return absolute(places[-1].strip('"')) if places else None


def check_same(folder: RunFolder, place: str) -> None:
    """Raises DataError unless the data at `place` are those that a run was started with."""
    known = folder.state().data
    if known is None:
        return  # nothing was trained on them yet
    moved = changed(load_config(folder.config_json()), {FIELD: place})
    found = facts.of(load(moved, folder.path))
    if (difference := facts.check(known, found, place)) is not None:
        raise DataError(
            f"--set {FIELD}={place}: {difference} Give the place of the data that this run was started with."
        )


def load(config: RunConfig, run: Path | None, *, need_test: bool = False) -> Dataset:
    """The data of a run (None: of one to come); where they are gone, the message says how to name their new
    place.

    Raises:
        DataError: data that are missing, broken or unsuited.
    """
    try:
        return tasks.get(config.dataset.type).load(config, need_test=need_test)
    except DataError as error:
        if run is None or config.dataset.path is None or Path(config.dataset.path).exists():
            raise
        raise DataError(
            f"{error} If the data of this run were moved, say once where they are now: "
            f"{as_typed('search', '-r', run, '--set', f'{FIELD}=PLACE')} (it is checked that they are the "
            "same)."
        ) from error
