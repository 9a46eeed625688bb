"""The front of what was really trained, and the point on it to take home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from popnas import objectives
from popnas.cells import Cell
from popnas.command_lines import as_typed
from popnas.errors import PopnasError, UserError
from popnas.evaluation import Evaluation
from popnas.pareto import front
from popnas.runs.state import RunState


@dataclass(frozen=True)
class Limits:
    """What the picked network must keep to; None = no limit. Latency: seconds of one inference batch."""

    max_params: int | None = None
    max_inference_seconds: float | None = None
    min_score: float | None = None

    def fits(self, item: Evaluation) -> bool:
        """Whether an evaluation keeps to all of them."""
        return (
            _is_within(item.params, self.max_params)
            and _is_within(item.inference_seconds, self.max_inference_seconds)
            and (self.min_score is None or (item.score is not None and item.score >= self.min_score))
        )

    @property
    def objectives(self) -> list[str]:
        """The objectives that are limited beside the score."""
        limits = {"params": self.max_params, "inference_time": self.max_inference_seconds}
        return [name for name, limit in limits.items() if limit is not None]


def search_objectives(state: RunState) -> list[str]:
    """The objectives of the run's search, score first."""
    if (state.config.get("others") or {}).get("pnas_mode"):
        return ["score"]
    strategy = state.config.get("search_strategy") or {}
    return ["score", *(strategy.get("additional_pareto_objectives") or [])]


def trained_front(state: RunState, names: Sequence[str] | None = None) -> list[Evaluation]:
    """The evaluations that no other dominates, best score first; without failed ones, the empty cell and what
    breaks the constraints of the search.

    `names` are the objectives, those of the search unless given.
    """
    rows = [objectives.get(name) for name in (search_objectives(state) if names is None else names)]
    items = [item for item in state.allowed if all(row.value(item) is not None for row in rows)]
    if not items:
        return []
    items.sort(key=lambda item: (-(item.score or 0.0), Cell.parse(item.cell).sort_key))
    values = np.array([[row.value(item) for row in rows] for item in items], dtype=np.float64)
    mask = front(values, [row.is_maximized for row in rows])
    return [item for item, is_kept in zip(items, mask, strict=True) if is_kept]


def pick(state: RunState, limits: Limits) -> Evaluation:
    """The best score on the front that keeps to the limits.

    A figure that is limited counts as an objective of the front, so the pick is the best score of all that
    keep to the limits.

    Raises:
        UserError: nothing was trained yet, or nothing keeps to the limits; the message says what comes
            nearest.
        PopnasError: nothing keeps to the constraints of the search.
    """
    names = search_objectives(state)
    points = trained_front(state, [*names, *(name for name in limits.objectives if name not in names)])
    if not points:
        check_constraints(state)
        raise UserError("no cell was trained successfully in this run yet. Resume the search with -r.")
    fitting = [item for item in points if limits.fits(item)]
    if not fitting:
        raise UserError(_nothing_fits(points, limits))
    return fitting[0]


def check_constraints(state: RunState) -> None:
    """Raises PopnasError if cells were trained, but none that keeps to the constraints of the search."""
    trained = [item for item in state.successes if item.step > 0]
    if state.allowed or not trained:
        return
    told = []
    for name, (least, greatest) in state.constraints.items():
        values = [value for item in trained if (value := objectives.get(name).value(item)) is not None]
        found = f"they have {min(values):.6g} to {max(values):.6g}" if values else "they have none"
        told.append(f"{name} from {least:g} to {greatest:g} ({found})")
    raise PopnasError(
        f"none of the {len(trained)} trained cells keeps to search_strategy.constraints: {', '.join(told)}. "
        "There is no best cell; start a new search with looser constraints, or with others in "
        "architecture_hyperparameters."
    )


def train_command(run: Path, config_json: Mapping[str, Any], cell: str) -> str:
    """The shell command that trains a cell to the end in the network that the search used."""
    shape = config_json.get("architecture_hyperparameters") or {}
    options = {
        "-b": (config_json.get("dataset") or {}).get("batch_size"),
        "-f": shape.get("filters"),
        "-m": shape.get("motifs"),
        "-n": shape.get("normal_cells_per_motif"),
    }
    given = [part for flag, value in options.items() if value is not None for part in (flag, value)]
    return as_typed("train", "-p", run, *given, "--spec", cell)


def _is_within(value: float | None, limit: float | None) -> bool:
    return limit is None or (value is not None and value <= limit)


def _nothing_fits(points: list[Evaluation], limits: Limits) -> str:
    rules = []
    if limits.max_params is not None:
        smallest = min(item.params for item in points if item.params is not None)
        rules.append(f"at most {limits.max_params} params (the smallest on the front has {smallest})")
    if limits.max_inference_seconds is not None:
        fastest = min(item.inference_seconds for item in points if item.inference_seconds is not None)
        rules.append(
            f"at most {limits.max_inference_seconds * 1e3:g} ms (the fastest takes {fastest * 1e3:.4g} ms)"
        )
    if limits.min_score is not None:
        best = max(item.score for item in points if item.score is not None)
        rules.append(f"a score of at least {limits.min_score:g} (the best has {best:.4g})")
    return f"none of the front's {len(points)} cells has {' and '.join(rules)}. Loosen a limit."
