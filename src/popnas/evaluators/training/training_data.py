"""The data of a run, loaded from where they are now, and what the run remembers of them, so that a resumed
run notices that they are others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popnas import tasks
from popnas.config import RunConfig
from popnas.datasets import Dataset, prepared
from popnas.errors import DataError
from popnas.evaluators._moved import where_moved
from popnas.records import Json, Record


def load(config: RunConfig, run: Path | None, *, need_test: bool = False) -> Dataset:
    """The data of a run (None: of one to come); where they are gone, the message says how to name their new
    place.

    Raises:
        DataError: data that are missing, broken or unsuited.
    """
    with where_moved(config, run):
        return tasks.get(config.dataset.type).load(config, need_test=need_test)


@dataclass(frozen=True)
class DataFacts(Record):
    """Shape, classes, sizes of the splits, and a digest of some examples with their labels."""

    input_shape: tuple[int, ...]
    class_names: list[str]
    sizes: Mapping[str, int]
    sha256: str

    @classmethod
    def of(cls, dataset: Dataset) -> DataFacts:
        """What a run remembers of its data."""
        sizes = {"train": len(dataset.train), "validation": len(dataset.validation)}
        return cls(dataset.input_shape, dataset.class_names, sizes, prepared.digest(dataset.full_train))


def compare(known: Json, facts: DataFacts, place: str) -> str | None:
    """Compare the data of a resumed run with those that it began with; a warning where only values differ
    (another version of an image library may do that), None where nothing does.

    Raises:
        DataError: shape, classes or sizes differ, so what was trained before could not be compared.
    """
    found = facts.to_json()
    names = {"input_shape": "input shape", "class_names": "classes", "sizes": "numbers of examples"}
    for key, words in names.items():
        if known.get(key) != found[key]:
            raise DataError(
                f"The data of {place} have changed since this run was started: the {words} were "
                f"{_shown(known.get(key))} and are {_shown(found[key])}. Put back the data as they were, or "
                "start a new run."
            )
    if known.get("sha256") != found["sha256"]:
        return (
            f"the examples of {place} are not those that this run was started with. If the data were "
            "changed, results from before and after cannot be compared: start a new run."
        )
    return None


def _shown(value: Any) -> str:
    if isinstance(value, list) and len(value) > 12:
        return f"{len(value)} ({', '.join(map(str, value[:5]))}, ...)"
    if isinstance(value, dict):
        return " and ".join(f"{number} ({name})" for name, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
