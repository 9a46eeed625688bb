"""The data of a run at the place where they are now: a run remembers where it found them, and they may have
been moved since."""

from __future__ import annotations

from collections.abc import Sequence

from popnas import evaluators
from popnas.config import changed
from popnas.errors import DataError
from popnas.runs import RunFolder
from popnas.runs.folder import absolute
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
    evaluator = evaluators.create(moved, folder.path)
    if (difference := evaluator.compare(known)) is not None:
        raise DataError(
            f"`sets` {FIELD}={place}: {difference} Give the place of the data that this run was started with."
        )
