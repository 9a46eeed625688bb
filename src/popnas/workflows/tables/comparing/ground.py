"""A table as all methods see it: candidates by row, what each training of them came to, what is near to what.

Axes: N candidates, R trainings, G genes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from popnas.cells.space import NO_BLOCK
from popnas.errors import DataError
from popnas.evaluators import Evaluator, _stored_trainings
from popnas.evaluators.nasbench201 import architectures
from popnas.evaluators.nasbench201.evaluator import NasBench201Evaluator
from popnas.evaluators.nasbench201.stored import DATA_SETS
from popnas.evaluators.table import TableEvaluator
from popnas.workflows.tables.comparing.neighbours import neighbours


class Ground(ABC):
    """What is searched.

    Attributes:
        keys: (N,) texts; a candidate's seed derives from its own. In a table of cells it is the cell's, so
            all methods with one seed see the same training of it. Searches of NAS-Bench-201 know cells and
            not architectures: with its one training after 12 epochs it is the same for all, with its three
            after 200 it need not be.
        num_trainings: (N,) int64, failed ones among them.
        scores: (N, R) validation scores that a search sees; NaN: failed, or not trained so often.
        costs: (N, R) what is minimised beside; NaN likewise.
        last_scores, last_costs: (N, R) the same at the fidelity by which it is judged what was found: the
            last of a table of cells; of NAS-Bench-201 the one that is seen, beside `test`.
        truth: (N, 2) score and cost at that fidelity, of which trainings are but draws; None where nobody
            knows it.
        seconds: (N, R) of training; NaN likewise.
        first_is_chosen_by: the first trainings decided which cells were trained again.
        test: (N,) figures that no search sees, in percent; None where the table has none.
        open_rows: what may be the result of a search: all but the candidate without any operation.
        choices: (G,) how many values each gene of a candidate has.
    """

    keys: Sequence[str]
    num_trainings: np.ndarray
    scores: np.ndarray
    costs: np.ndarray
    last_scores: np.ndarray
    last_costs: np.ndarray
    truth: np.ndarray | None = None
    seconds: np.ndarray
    first_is_chosen_by: bool = False
    test: np.ndarray | None = None
    open_rows: np.ndarray
    choices: Sequence[int]

    def __init__(self) -> None:
        self._near: dict[int, np.ndarray] = {}

    def training(self, row: int, seed: int) -> int:
        """Which training of a candidate a walk with that seed sees."""
        return _stored_trainings.of_key(seed, self.keys[row], int(self.num_trainings[row]))

    def neighbours(self, row: int) -> np.ndarray:
        """Rows of `open_rows` that differ from a row by one change, in their order."""
        if row not in self._near:
            self._near[row] = self._neighbours(row)
        return self._near[row]

    @abstractmethod
    def _neighbours(self, row: int) -> np.ndarray:
        """See `neighbours`."""

    @abstractmethod
    def decode(self, genes: Sequence[int]) -> int:
        """The row that a choice for every gene means."""


class CellGround(Ground):
    """The cells of a table that `popnas bench build` made.

    Genes: the number of blocks, then of every block its inputs and operators. Of a cell that the table lacks
    the last block is left out, until it has it. Cells may be of fewer blocks than the table's.
    """

    def __init__(self, evaluator: TableEvaluator, objective: str) -> None:
        super().__init__()
        table = self.table = evaluator.table
        self.first_is_chosen_by = "redrawn" not in table.provenance
        self.space = evaluator.space
        assert self.space.operators == table.space.operators
        self.keys = [cell.key for cell in table.space.decode(table.cells)]
        self.num_trainings = table.repetitions
        metric = table.metric_names.tolist().index(evaluator.config.search_strategy.score_metric)
        self.scores = table.metrics[:, :, evaluator.epoch, metric].astype(np.float64)
        self.last_scores = table.metrics[:, :, -1, metric].astype(np.float64)
        self.seconds = table.training_seconds[:, :, evaluator.epoch].astype(np.float64)
        self.costs, self.last_costs = (self._costs(objective, epoch) for epoch in (evaluator.epoch, -1))
        self.truth = self._truth(objective, metric)
        is_open = (table.num_blocks > 0) & (table.num_blocks <= self.space.num_blocks)
        self.open_rows = np.flatnonzero(is_open)
        self.choices = [self.space.num_blocks, *(len(values) for values in self._values())]
        self._index = evaluator.index

    def _truth(self, objective: str, metric: int) -> np.ndarray | None:
        """Of a table with drawn trainings what they are drawn around."""
        table = self.table
        if "redrawn" not in table.provenance:
            return None
        if not table.has_means:
            raise DataError(
                "this table of drawn trainings was made by an older popnas, which did not keep the means "
                "that they are drawn around, and by which searches are judged. Compare anew, over the table "
                "that `popnas bench build` made."
            )
        costs = {"time": table.mean_seconds[:, -1], "inference_time": table.mean_inference_seconds}
        costs_N = costs[objective] if objective in costs else getattr(table, objective)
        return np.stack([table.mean_metrics[:, -1, metric], costs_N], axis=1).astype(np.float64)

    def _costs(self, objective: str, epoch: int) -> np.ndarray:
        if objective == "time":
            return self.table.training_seconds[:, :, epoch].astype(np.float64)
        if objective == "inference_time":
            return self.table.inference_seconds.astype(np.float64)
        exact_N = getattr(self.table, objective).astype(np.float64)
        return np.where(np.isfinite(self.seconds), exact_N[:, None], np.nan)

    def _values(self) -> list[Sequence[int]]:
        """Of every gene after the first what it may mean: an input or an operator."""
        space = self.space
        return [
            values
            for index in range(space.num_blocks)
            for values in (range(-space.lookback_depth, index), range(space.num_operators)) * 2
        ]

    def _neighbours(self, row: int) -> np.ndarray:
        rows = np.unique(
            self._index.rows(neighbours(self.table.cells[row, : self.space.num_blocks], self.space))
        )
        return rows[np.isin(rows, self.open_rows) & (rows != row)]

    def decode(self, genes: Sequence[int]) -> int:
        """See `Ground`."""
        meant = [values[gene] for values, gene in zip(self._values(), genes[1:], strict=True)]
        cell_B4 = np.array(meant, dtype=np.int16).reshape(-1, 4)
        num_blocks = genes[0] + 1
        cells_NB4 = np.repeat(cell_B4[None], num_blocks, axis=0)
        for left_out, cell in enumerate(cells_NB4):
            cell[num_blocks - left_out :] = NO_BLOCK
        rows = self._index.rows(cells_NB4)
        return int(rows[rows >= 0][0])  # all cells of one block are there


class ArchitectureGround(Ground):
    """All architectures of NAS-Bench-201 by code. Genes: the operations of the six edges."""

    def __init__(self, evaluator: NasBench201Evaluator, objective: str) -> None:
        super().__init__()
        table = evaluator.table
        every_A = np.arange(architectures.NUM_ARCHITECTURES)
        self.keys = [architectures.text(edges) for edges in architectures.edges(every_A)]
        # As look-ups count them: those that there are, in their order.
        order = np.argsort(np.isnan(evaluator.trainings), axis=1, kind="stable")
        self.scores = np.take_along_axis(evaluator.trainings, order, axis=1)
        self.num_trainings = np.isfinite(self.scores).sum(axis=1)
        self.seconds = np.where(np.isfinite(self.scores), evaluator.seconds[:, None], np.nan)
        known = {"time": evaluator.seconds, "params": evaluator.params, "inference_time": evaluator.latencies}
        exact_A = known[objective]
        assert exact_A is not None, "the evaluator has looked whether there are latencies"
        self.costs = np.where(np.isfinite(self.scores), exact_A[:, None], np.nan)
        self.last_scores, self.last_costs = self.scores, self.costs
        self.test = table.test_200[DATA_SETS.index(evaluator.data_set)].astype(np.float64)
        self.open_rows = every_A[1:]
        self.choices = [len(architectures.OPERATIONS)] * len(architectures.EDGES)

    def _neighbours(self, row: int) -> np.ndarray:
        edges_6 = architectures.edges(np.array([row]))[0]
        found = [
            np.concatenate([edges_6[:edge], [operation], edges_6[edge + 1 :]])
            for edge, count in enumerate(self.choices)
            for operation in range(count)
            if operation != edges_6[edge]
        ]
        codes = architectures.codes(np.array(found))
        return np.sort(codes[codes > 0])

    def decode(self, genes: Sequence[int]) -> int:
        """See `Ground`; without any operation it is the first of the others."""
        return max(int(architectures.codes(np.array([genes]))[0]), 1)


def ground_of(evaluator: Evaluator, objective: str) -> Ground:
    """Of what an evaluator looks up."""
    if isinstance(evaluator, TableEvaluator):
        return CellGround(evaluator, objective)
    assert isinstance(evaluator, NasBench201Evaluator)
    return ArchitectureGround(evaluator, objective)


def rows_of(evaluator: Evaluator, cells_NB4: np.ndarray) -> np.ndarray:
    """(N,) rows of its ground, of cells of its space."""
    if isinstance(evaluator, TableEvaluator):
        return evaluator.rows(cells_NB4)
    assert isinstance(evaluator, NasBench201Evaluator)
    return evaluator.codes(cells_NB4)
