"""`selection.json`: what a model selection trains, written before anything is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from popnas.cells import Cell
from popnas.config import ArchitectureConfig, TrainingConfig, bounds
from popnas.errors import CellSyntaxError
from popnas.export.description import MOST_BLOCKS
from popnas.records import Json, Record, part
from popnas.runs import identity
from popnas.runs.folder import same_search
from popnas.runs.stored.reading import is_there, read_record
from popnas.runs.stored.rules import has, is_object, is_text, list_of, or_none, whole
from popnas.storage import write_json
from popnas.workflows.models.search_state import SearchSnapshot
from popnas.workflows.models.stored.repetitions import Repetition, wanted

NAME = "selection.json"

_FOLDER = re.compile(r"\d{1,9}-m\d{1,9}-n\d{1,9}-f\d{1,9}(-[a-z_]{1,30})?")


@dataclass(frozen=True)
class PlannedModel(Record):
    """One model: the name of its folder, its canonical cell, its macro-architecture (`macro`: its name, None
    for the run's), its params with one head; `reference`: which known network it is, None: one of the
    search's; `epochs`: those that it is trained, None: the configuration's."""

    folder: str
    cell: str
    motifs: int
    normal_cells: int
    filters: int
    params: int
    macro: str | None = None
    reference: str | None = None
    epochs: int | None = None

    @property
    def number(self) -> int:
        """The folder's number, from 0."""
        return int(self.folder.partition("-")[0])


@dataclass(frozen=True)
class SelectionRequest(Record):
    """What was asked for: a `cell`, or how many of the run's best or of its front; the range of params of
    other macro-architectures ("LOW;HIGH"); whether known networks are trained, too; and the configuration,
    without where it runs."""

    cell: str | None = None
    num_cells: int | None = None
    is_from_front: bool = False
    params: str | None = None
    has_references: bool = False
    config: Json = field(default_factory=dict)

    @property
    def repetitions(self) -> tuple[Repetition, ...]:
        """How often each network is trained; of earlier versions, which did not say, once."""
        counts = [
            part(self.config, "dataset").get("folds"),
            part(self.config, "others").get("selection_seeds"),
        ]
        return wanted(*(count if type(count) is int else 1 for count in counts))

    @property
    def validation_size(self) -> float | None:
        """The share of the data that validates; None: a split of its own does."""
        found = part(self.config, "dataset").get("validation_size")
        return found if isinstance(found, float) else None

    def is_same(self, other: SelectionRequest) -> bool:
        """Whether the other asks for the same, wherever the data are."""
        first, second = (replace(request, config={}) for request in (self, other))
        return first == second and same_search(self.config, other.config)


@dataclass(frozen=True)
class SelectionPlan(Record):
    """`request`: what was asked for; `search`: the state of the search that it was made from, None if a cell
    was given, or popnas 0.1.0 did not say; `models` in the order of their numbers; `run`: which run it is of
    (`runs.identity`)."""

    request: SelectionRequest
    search: SearchSnapshot | None = field(default=None, kw_only=True)
    models: tuple[PlannedModel, ...]
    run: str | None = None


def read(folder: Path) -> SelectionPlan | None:
    """The plan in a selection's folder; None if there is none.

    Raises:
        RunFolderError: it cannot be read, is of another run, or is not as a selection writes it.
    """
    path = folder / NAME
    if not is_there(path):
        return None
    remedy = "remove it, and the same popnas select plans anew and goes on with what was trained"
    return read_record(path, SelectionPlan, must=_MUST, may=_MAY, remedy=remedy)


def write(folder: Path, plan: SelectionPlan) -> None:
    """Write the plan into a selection's folder; raises StorageError."""
    content = replace(plan, run=identity.of_enclosing(folder)).to_json()
    write_json(folder / NAME, content, is_durable=True, is_proven=True)


def _is_folder(value: Any) -> bool:
    """Whether it is the name that a selection gives a model's folder, and so no path to elsewhere."""
    return is_text(value) and _FOLDER.fullmatch(value) is not None


def _has_cell(model: Json) -> bool:
    """Whether its cell is one that a selection trains: the empty one only of a known network."""
    text = model["cell"]
    if not isinstance(text, str):
        return False
    try:
        return (model.get("reference") is None) <= len(Cell.parse(text).blocks) <= MOST_BLOCKS
    except CellSyntaxError:
        return False


_MODEL = {
    "folder": _is_folder,
    "cell": is_text,
    "motifs": whole(*bounds(ArchitectureConfig, "motifs")),
    "normal_cells": whole(*bounds(ArchitectureConfig, "normal_cells_per_motif")),
    "filters": whole(*bounds(ArchitectureConfig, "filters")),
    "params": whole(0),
}
_MAY_OF_MODEL = {
    "macro": or_none(is_text),
    "reference": or_none(is_text),
    "epochs": or_none(whole(*bounds(TrainingConfig, "epochs"))),
}


def _is_model(value: Any) -> bool:
    if not has(_MODEL)(value) or not value.keys() <= _MODEL.keys() | _MAY_OF_MODEL.keys():
        return False
    return _has_cell(value) and all(rule(value.get(name)) for name, rule in _MAY_OF_MODEL.items())


def _are_models(value: Any) -> bool:
    return list_of(_is_model, 1)(value) and len({item["folder"] for item in value}) == len(value)


_MUST = {"request": is_object, "models": _are_models}
_MAY = {
    "search": or_none(has({"num_trained": whole(0), "finish_reason": or_none(is_text), "sha256": is_text}))
}
