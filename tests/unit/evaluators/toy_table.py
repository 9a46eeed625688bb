"""An evaluator without torch, data or networks: figures of cells from a formula, as a table would have them.

Not a test: tests put this folder on the path, and so do the workers that they start.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from popnas import executors
from popnas.cells import Cell
from popnas.errors import DataError
from popnas.evaluation import CandidateJob, Measured
from popnas.evaluators import Evaluator, Expected, Forecast
from popnas.events import Listen
from popnas.executors import Worker
from popnas.runs import artifacts

PARAMS = {"skip": 0, "small": 30, "large": 200}
SECONDS = {"skip": 0.1, "small": 0.5, "large": 2.0}
WORTH = {"skip": 0.02, "small": 0.06, "large": 0.09}


def _sum(figures: dict[str, Any], cell: Cell) -> Any:
    return sum(figures[name] for block in cell.blocks for name in (block.op1, block.op2))


class Table(dict[str, Measured]):
    """Canonical text of a cell to its figures."""

    def __missing__(self, text: str) -> Measured:
        cell = Cell.parse(text)
        noise = hashlib.sha256(text.encode()).digest()[0] / 25_500
        score = 0.3 + _sum(WORTH, cell) / (1 + 0.1 * len(cell.blocks)) + noise
        self[text] = Measured(
            params=10 + _sum(PARAMS, cell),
            metrics={"accuracy": score},
            score=score,
            training_seconds=1.0 + _sum(SECONDS, cell),
        )
        return self[text]


class ToyTable(Evaluator):
    """Looks figures up."""

    setup = "toy_table:set_up"
    evaluate = "toy_table:look_up"
    operators = tuple(PARAMS)
    unused_settings: ClassVar = {
        "training_hyperparameters": "has no effect: a table trains nothing.",
        "dataset.folds": "has no effect: a table has no folds.",
    }
    content = "formula 1"

    @classmethod
    def objectives(cls) -> Sequence[str]:
        return ("score", "time", "params")

    def facts(self) -> dict[str, Any]:
        return {"kind": "a formula", "sha256": hashlib.sha256(self.content.encode()).hexdigest()}

    def compare(self, known: dict[str, Any]) -> str | None:
        if known != self.facts():
            raise DataError("the table is not the one that this run was started with. Put it back.")
        return None

    def costs(self, cells_NB4: np.ndarray) -> dict[str, np.ndarray]:
        params = np.array([*(PARAMS[name] for name in self.space.operators), 0], dtype=np.int64)
        return {"params": 10 + params[cells_NB4[:, :, 1::2]].sum(axis=(1, 2))}

    def cells_stacked(self, cells_NB4: np.ndarray) -> np.ndarray:
        return np.ones(len(cells_NB4), dtype=np.int64)

    def forecast(self, tell: Listen) -> Forecast:
        return ToyForecast(self)


class ToyForecast(Forecast):
    """What stands in the table is known."""

    def __init__(self, evaluator: ToyTable) -> None:
        self.space = evaluator.space

    def expect(self, cells_NB4: np.ndarray) -> Expected:
        table = Table()
        found = [table[cell.canonical().key].training_seconds for cell in self.space.decode(cells_NB4)]
        return Expected(np.full(len(cells_NB4), 0.001), {"time": np.array(found)})


def set_up(payload: dict[str, Any], worker: Worker) -> tuple[Table, str | None]:
    assert set(payload) == {"config", "artifacts", "run"}
    return Table(), payload["artifacts"]


def look_up(context: tuple[Table, str | None], payload: dict[str, Any]) -> dict[str, Any]:
    table, root = context
    job = CandidateJob.from_json(payload)
    started = time.perf_counter()
    with artifacts.opened(root) as files:
        found = table[job.cell]
        note = files.place(artifacts.of_candidate(job.step, job.index)) / "note.txt"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(f"{job.cell} was looked up\n")
        answer = found.to_json() | {"files": files.carried()}
    return answer | {"volatile": {"wall_seconds": time.perf_counter() - started}}


def look_up_and_tell(context: tuple[Table, str | None], payload: dict[str, Any]) -> dict[str, Any]:
    """As `look_up`, with a word on the way that says nothing of epochs."""
    odd: Any = [{"rows": 3}, {"epoch": 1, "num_epochs": 7}, executors.Progress(9, 7), {"epoch": {3}}]
    executors.tell(odd[CandidateJob.from_json(payload).index % len(odd)])
    return look_up(context, payload)
