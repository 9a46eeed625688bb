"""CSV views of a run, derived from its state alone and written anew each time (POPNAS's names and headers).

- `training_results.csv`, a row for each evaluation: best val accuracy, val F1 score, val top k accuracy
  (segmentation: best val accuracy, val mean IoU), training time(seconds), inference time(seconds), total
  params, flops, # blocks, cell structure, exploration, error. A failed candidate has empty figures and its
  error.
- `training_overview.csv`, for each step, over its successes: # blocks, avg training time(s), max time, min
  time, avg val score, max score, min score.
- `children.csv`, for each proposal: # blocks, cell structure, exploration.
- `pareto_front_B{b}.csv` and `exploration_pareto_front_B{b}.csv`, for each cell selected by prediction: time,
  val score, params, inference_time, cell structure, flops.
- `reindex_op_times.csv` and `reindex_op_inference_times.csv`, for each operator: operator, cost (0..1).
- `multi_output.csv`, for each output of each evaluation: # blocks, cell structure, output (0 = the first),
  and the metrics' columns of `training_results.csv`.
- `search_results.csv`, one row: best val score, # blocks, cell structure, training time(seconds), inference
  time(seconds), total params, flops, trained cells, failed cells, all training time(seconds), finished.

An objective that another package brought has its column behind `flops` (of predictions: last) in searches
that ask for it, and its own `reindex_op_{name}.csv` if it is measured.

Files exist only where they apply. `predictions_B{b}.csv` and the features that the predictors saw
(`training_time.csv`, `training_time_inference.csv`, `training_score.csv`) are written by workflows with
`storage.write_table`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from popnas.evaluation import Evaluation, metric_title
from popnas.objectives import Objective
from popnas.objectives.rows import FLOPS, INFERENCE_TIME, PARAMS, ROWS, SCORE, TIME
from popnas.runs.folder import RunFolder
from popnas.runs.state import Proposed, RunState
from popnas.storage import write_table

Table = tuple[str, Sequence[str], Sequence[Sequence[Any]]]
"""File name, header, rows."""

_PREDICTED = {
    "time": TIME,
    SCORE.column: SCORE,
    "params": PARAMS,
    "inference_time": INFERENCE_TIME,
    "cell structure": None,
    "flops": FLOPS,
}
"""POPNAS's columns of predictions, whatever is predicted; None: the cell."""


_FRONTS = {
    "front": "pareto_front",
    "exploration": "exploration_pareto_front",
    "random": "random_children",
}
"""By what cells were chosen by, the file that lists them with their predictions."""


def predicted_columns(state: RunState) -> dict[str, Objective | None]:
    """Column -> what it shows of a predicted cell, None: the cell itself."""
    return _PREDICTED | {row.name: row for row in state.figures if row not in ROWS}


def write_csv(folder: RunFolder, state: RunState) -> list[str]:
    """Write every view that applies to the state; returns their file names.

    Raises:
        StorageError: the disk refused.
    """
    names = []
    for view in VIEWS:
        for name, header, rows in view(state):
            write_table(folder.csv / name, header, rows)
            names.append(name)
    return names


def metric_columns(state: RunState) -> dict[str, str]:
    """Metric's name -> POPNAS's column, of what the run's task measures; empty where nothing succeeded."""
    names = next((item.metrics for item in state.successes), {})
    return {name: f"{'best ' * (name == 'accuracy')}val {metric_title(name)}" for name in names}


def _training_results(state: RunState) -> Iterator[Table]:
    columns = metric_columns(state)
    costs = _costs(state)
    header = [*columns.values(), *(row.column for row in costs)]
    header += ["# blocks", "cell structure", "exploration", "error"]
    rows = [
        [
            *(item.metrics.get(name) for name in columns),
            *_figures(item, costs),
            item.step,
            item.cell,
            item.is_exploration,
            _error(item),
        ]
        for item in state.evaluations
    ]
    if rows:
        yield "training_results.csv", header, rows


def _training_overview(state: RunState) -> Iterator[Table]:
    header = [
        "# blocks",
        "avg training time(s)",
        "max time",
        "min time",
        "avg val score",
        "max score",
        "min score",
    ]
    rows = []
    for step in sorted({item.step for item in state.successes}):
        group = [item for item in state.successes if item.step == step]
        times = [item.training_seconds for item in group if item.training_seconds is not None]
        scores = [item.score for item in group if item.score is not None]
        rows.append([step, *_mean_max_min(times), *_mean_max_min(scores)])
    if rows:
        yield "training_overview.csv", header, rows


def _children(state: RunState) -> Iterator[Table]:
    rows = [
        [item.step, item.cell, item.is_exploration]
        for step in sorted(state.proposals)
        for item in state.proposals[step]
    ]
    if rows:
        yield "children.csv", ["# blocks", "cell structure", "exploration"], rows


def _fronts(state: RunState) -> Iterator[Table]:
    for step, proposals in sorted(state.proposals.items()):
        predicted = [item for item in proposals if item.predictions]
        for group, name in _FRONTS.items():
            columns = predicted_columns(state)
            rows = [_predicted(item, columns) for item in predicted if item.group == group]
            if rows:
                yield f"{name}_B{step}.csv", list(columns), rows


def _operator_costs(state: RunState) -> Iterator[Table]:
    for row in state.figures:
        costs = (state.operator_costs or {}).get(row.name)
        if costs:
            rows = [[operator, costs[operator]] for operator in sorted(costs)]
            yield row.costs_file, ["operator", "cost"], rows


def _multi_output(state: RunState) -> Iterator[Table]:
    columns = metric_columns(state)
    rows = [
        [item.step, item.cell, output, *(metrics.get(name) for name in columns)]
        for item in state.successes
        if len(item.head_metrics) > 1
        for output, metrics in enumerate(item.head_metrics)
    ]
    if rows:
        yield "multi_output.csv", ["# blocks", "cell structure", "output", *columns.values()], rows


def _search_results(state: RunState) -> Iterator[Table]:
    best = state.best
    if best is None:
        return
    costs = _costs(state)
    header = ["best val score", "# blocks", "cell structure", *(row.column for row in costs)]
    header += ["trained cells", "failed cells", "all training time(seconds)", "finished"]
    evaluations = state.evaluations
    total = sum(item.training_seconds or 0.0 for item in evaluations)
    num_failed = sum(item.is_failed for item in evaluations)
    row = [
        best.score,
        best.step,
        best.cell,
        *_figures(best, costs),
        len(evaluations),
        num_failed,
        total,
        state.finish_reason,
    ]
    yield "search_results.csv", header, [row]


VIEWS: tuple[Callable[[RunState], Iterator[Table]], ...] = (
    _training_results,
    _training_overview,
    _children,
    _fronts,
    _operator_costs,
    _multi_output,
    _search_results,
)
"""Each gives the tables that apply to a state."""


def _costs(state: RunState) -> tuple[Objective, ...]:
    return tuple(row for row in state.figures if row != SCORE)


def _figures(item: Evaluation, rows: Sequence[Objective]) -> list[Any]:
    return [None if item.is_failed else row.figure(item) for row in rows]


def _error(item: Evaluation) -> str | None:
    return f"{item.error_kind}: {item.error}" if item.is_failed else None


def _predicted(item: Proposed, columns: Mapping[str, Objective | None]) -> list[Any]:
    return [item.predictions.get(row.name) if row else item.cell for row in columns.values()]


def _mean_max_min(values: list[float]) -> list[float | None]:
    return [sum(values) / len(values), max(values), min(values)] if values else [None, None, None]
