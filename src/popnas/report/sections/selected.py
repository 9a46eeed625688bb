"""The networks of the model selection, with the means of their trainings where each has several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from popnas.records import Record
from popnas.report import markup
from popnas.report.run_data import RunData
from popnas.runs.stored.reading import read_of_report
from popnas.runs.stored.rules import is_text, list_of
from popnas.storage import write_json

NAME = "scores.json"


@dataclass(frozen=True)
class ScoredModel(Record):
    """`score`: on validation data, the mean of its trainings, None: it failed, or the time was up; `half`: of
    the 95 % interval, None: of one training; `training_seconds`: of one."""

    folder: str
    cell: str
    params: int
    score: float | None = None
    half: float | None = None
    training_seconds: float | None = None
    reference: str | None = None


@dataclass(frozen=True)
class SelectionScores(Record):
    """`score`: what decides, in words; `repeated`: what it is the mean of, "" for one training; `is_of_last`:
    of the last epoch, not the best one."""

    score: str
    repeated: str
    models: Sequence[ScoredModel]
    is_of_last: bool = False

    def write(self, folder: Path) -> None:
        """Write it into a selection's folder. Raises StorageError."""
        write_json(folder / NAME, self.to_json(), is_proven=True)


def read(folder: Path) -> SelectionScores | None:
    """That of a selection's folder; None if there is none that could be read."""
    must = {"score": is_text, "models": list_of(lambda item: isinstance(item, dict))}
    return read_of_report(folder / NAME, SelectionScores, must=must)


def render(run: RunData) -> str:
    """A table; "" without a selection."""
    found = read(run.path / "model_selection")
    if found is None:
        return ""
    rows: list[list[markup.Value | str]] = [
        [
            markup.text(item.folder),
            markup.score(item.score, item.half),
            markup.count(item.params),
            markup.seconds(item.training_seconds),
            markup.Value(markup.code(item.cell), item.cell),
        ]
        for item in sorted(found.models, key=lambda item: -(item.score or 0.0))
    ]
    mean = f"mean of {found.repeated}, 95 % interval" if found.repeated else ""
    mean = mean or f"{'last' if found.is_of_last else 'best'} epoch"
    header = ["network", f"validation {found.score} ({mean})", "params", "training", "cell"]
    note = (
        "<p class=note>Each training is judged by its last epoch, which is the one that final training "
        "keeps. Intervals are of one network; differences of two, on the same folds, are surer.</p>"
    )
    return markup.table(header, rows) + (note if found.repeated else "")
