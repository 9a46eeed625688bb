"""The classification problems that ship inside the package aeon (UCR and UEA archives: cite them if used).

Their files are read where aeon lies, without importing it.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from popnas.datasets.series import SeriesData
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.datasets.sources.ts_files import read_problem
from popnas.errors import DataError, MissingExtraError
from popnas.files import is_file

_PROBLEMS = (
    "ACSF1",
    "ArrowHead",
    "BasicMotions",
    "Covid3Month_disc",
    "GunPoint",
    "ItalyPowerDemand",
    "JapaneseVowels",
    "OSULeaf",
    "PickupGestureWiimoteZ",
    "UnitTest",
)


@SOURCES.register("aeon", description="time series problems that ship with aeon (extra 'timeseries')")
class AeonProblems(Source):
    """Ten problems with their archives' training and test splits."""

    tasks = frozenset({"time_series_classification"})

    def data_sets(self) -> tuple[str, ...]:
        """The problems' names, whether aeon is installed or not."""
        return _PROBLEMS

    def read(self, request: Request) -> SeriesData:
        """The problem `request.name`."""
        assert request.name is not None
        package = find_spec("aeon")
        if package is None or not package.submodule_search_locations:
            raise MissingExtraError(f"The data set '{request.name}'", "timeseries", "aeon")
        train = Path(
            package.submodule_search_locations[0],
            "datasets",
            "data",
            request.name,
            f"{request.name}_TRAIN.ts",
        )
        if not is_file(train):
            raise DataError(
                f"The installed version of aeon does not hold the data set '{request.name}' ({train} is "
                "missing). Install the version that popnas's constraints file pins."
            )
        return read_problem(train, request.splits, f"the data set '{request.name}'")
