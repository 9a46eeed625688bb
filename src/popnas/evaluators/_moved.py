"""What a run's own file or folder of data is answered with where it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from popnas import files
from popnas.command_lines import as_typed
from popnas.config import RunConfig
from popnas.errors import DataError


@contextmanager
def where_moved(config: RunConfig, run: Path | None) -> Iterator[None]:
    """A DataError within says how the new place of the data is named, if those of a run (None: of one to
    come) are gone."""
    try:
        yield
    except DataError as error:
        if run is None or config.dataset.path is None or files.exists(files.user_path(config.dataset.path)):
            raise
        raise DataError(
            f"{error} If the data of this run were moved, say once where they are now: "
            f"{as_typed('search', '-r', run, '--set', 'dataset.path=PLACE')} (it is checked that they are "
            "the same)."
        ) from error
