"""The table of what was trained.

Axes: N cells, R repetitions, E epochs, M metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from popnas.config import RunConfig
from popnas.errors import CandidateFailed, PopnasError
from popnas.evaluation import Curve
from popnas.evaluators import Evaluator
from popnas.evaluators.table import stored
from popnas.evaluators.table.stored import CellTable
from popnas.runs.folder import DATA_PATH
from popnas.storage import compact_json
from popnas.workflows.tables.chosen import Chosen
from popnas.workflows.tables.folder import Built


def table(
    chosen: Chosen, keys: Sequence[str], built: Built, config: RunConfig, evaluator: Evaluator
) -> CellTable:
    """The table of a building that is whole.

    Raises:
        PopnasError: every training failed.
    """
    curves = [_of_cell(key, built) for key in keys]
    first = next((curve for found in curves for curve in found if curve.metrics), None)
    if first is None:
        reasons = sorted({str(curve.error) for found in curves for curve in found})
        raise PopnasError("none of the cells could be trained. Reasons:\n  " + "\n  ".join(reasons[:5]))
    names, num_epochs = sorted(first.metrics), len(first.training_seconds)
    shape = (len(keys), max(map(len, curves)))
    metrics = np.full((*shape, num_epochs, len(names)), np.nan, dtype=np.float32)
    training_seconds = np.full((*shape, num_epochs), np.nan, dtype=np.float32)
    inference_seconds = np.full(shape, np.nan, dtype=np.float32)
    failures = np.full(shape, stored.WORKED, dtype=np.int8)
    for row, found in enumerate(curves):
        for number, curve in enumerate(found):
            if curve.error_kind is not None:
                failures[row, number] = CandidateFailed.KINDS.index(curve.error_kind)
                continue
            metrics[row, number] = np.array([curve.metrics[name] for name in names]).T
            training_seconds[row, number] = curve.training_seconds
            inference_seconds[row, number] = curve.inference_seconds
    costs = evaluator.costs(chosen.cells)
    return stored.sound(
        CellTable(
            about=np.array(_about(built)),
            operators=np.array(config.space.operators),
            cells=chosen.cells,
            space_sizes=chosen.space_sizes,
            lookback_depth=np.array(config.space.lookback_depth),
            epochs=np.arange(1, num_epochs + 1),
            metric_names=np.array(names),
            metrics=metrics,
            training_seconds=training_seconds,
            inference_seconds=inference_seconds,
            repetitions=np.array([len(found) for found in curves]),
            failures=failures,
            params=costs["params"],
            flops=costs["flops"],
            cells_stacked=evaluator.cells_stacked(chosen.cells),
        )
    )


def _of_cell(key: str, built: Built) -> list[Curve]:
    """A cell's trainings, in order of repetition."""
    found: list[Curve] = []
    while (key, len(found)) in built.trained:
        found.append(built.trained[key, len(found)])
    return found


def _about(built: Built) -> str:
    """Where the figures come from, as JSON; not where data lie here, which is nobody else's."""
    seconds = [spent for item in built.volatile if isinstance(spent := item.get("cpu_seconds"), float)]
    return compact_json(
        {
            "command": built.started.command,
            "configuration": built.started.config,
            "request": built.started.request.to_json(),
            "data": built.data,
            "environment": {name: value for name, value in built.volatile[0].items() if name != DATA_PATH},
            "trainings": len(built.trained),
            "cpu_seconds": round(sum(seconds)),
        }
    )
