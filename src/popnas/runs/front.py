"""The front of what was really trained, and the point on it to take home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from popnas import objectives
from popnas.command_lines import as_typed
from popnas.errors import PopnasError, UserError
from popnas.evaluation import Evaluation
from popnas.objectives import Objective
from popnas.objectives.rows import INFERENCE_TIME, SCORE
from popnas.pareto import front
from popnas.printable import counted
from popnas.records import Json, part
from popnas.runs import artifacts
from popnas.runs.state import RunState

_TRAINING = "training"
"""The evaluator whose candidates are networks (`evaluators/training`, which lies above this room)."""


@dataclass(frozen=True)
class Limits:
    """What the picked network must keep to.

    `worst`: by objective the worst value that is allowed, in its unit: the greatest, or the least of an
    objective that is maximised.
    """

    worst: Mapping[str, float] = field(default_factory=dict)

    def fits(self, item: Evaluation) -> bool:
        """Whether an evaluation keeps to all of them.

        Raises:
            UnknownNameError: a limit on what is no objective.
        """
        return all(_keeps_to(objectives.get(name), item, limit) for name, limit in self.worst.items())


def trained_front(state: RunState, names: Sequence[str] | None = None) -> list[Evaluation]:
    """The evaluations that no other dominates, best score first (`RunState.known_score`); without failed
    ones, the empty cell and what breaks the constraints of the search.

    `names` are the objectives, those of the search unless given.
    """
    rows = [objectives.get(name) for name in (state.objectives if names is None else names)]
    known = {item.cell: state.known_score(item) for item in state.ranked}
    ranked = sorted(state.ranked, key=lambda item: -(known[item.cell] or 0.0))
    items = [item for item in ranked if all(row.value(item) is not None for row in rows)]
    if not items:
        return []
    values = np.array(
        [[known[item.cell] if row is SCORE else row.value(item) for row in rows] for item in items],
        dtype=np.float64,
    )
    mask = front(values, [row.is_maximized for row in rows])
    return [item for item, is_kept in zip(items, mask, strict=True) if is_kept]


def pick(state: RunState, limits: Limits) -> Evaluation:
    """The best score on the front that keeps to the limits.

    A figure that is limited counts as an objective of the front, so the pick is the best score of all that
    keep to the limits.

    Raises:
        UserError: nothing was trained yet, or nothing keeps to the limits; the message says what comes
            nearest. Also an objective that is none, or that the search has no figures of.
        PopnasError: nothing keeps to the constraints of the search.
    """
    own = {row.name for row in state.figures}
    if lacking := [name for name in limits.worst if objectives.get(name).name not in own]:
        raise UserError(
            f"this search has no figures of '{lacking[0]}', which it neither optimised nor constrained. "
            f"Limit one of: {', '.join(sorted(own))}."
        )
    points = trained_front(state, list(dict.fromkeys([*state.objectives, *limits.worst])))
    if not points:
        check_constraints(state)
        raise UserError("no cell was trained successfully in this run yet. Go on with the search.")
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


def has_networks(run: Path, config_json: Json) -> bool:
    """Whether candidates were networks, which the other stages train on: those of training, and what left
    weights behind, a plug-in's; figures that a table gave are refused there."""
    is_training = part(config_json, "others").get("evaluator", _TRAINING) == _TRAINING
    kept = run / artifacts.WEIGHTS
    return is_training or (kept.is_dir() and any(kept.glob("*.safetensors")))


def train_command(run: Path, config_json: Json, cell: str, *more: str) -> str | None:
    """The shell command that trains a cell to the end in the network that the search used, with `more`
    options; None if there was none."""
    if not has_networks(run, config_json):
        return None
    shape = part(config_json, "architecture_hyperparameters")
    options = {
        "-b": part(config_json, "dataset").get("batch_size"),
        "-f": shape.get("filters"),
        "-m": shape.get("motifs"),
        "-n": shape.get("normal_cells_per_motif"),
    }
    given = [part for flag, value in options.items() if value is not None for part in (flag, value)]
    return as_typed("train", "-p", run, *given, "--spec", cell, *more)


def _keeps_to(row: Objective, item: Evaluation, limit: float) -> bool:
    value = row.value(item)
    return value is not None and (value >= limit if row.is_maximized else value <= limit)


def _nothing_fits(points: list[Evaluation], limits: Limits) -> str:
    rules = []
    for name, limit in limits.worst.items():
        row = objectives.get(name)
        values = [value for item in points if (value := row.value(item)) is not None]
        best, bound = (max(values), "least") if row.is_maximized else (min(values), "most")
        rules.append(f"{row.title} of at {bound} {_shown(row, limit)} (the best has {_shown(row, best)})")
    return f"of the front's {counted(len(points), 'cell')} none has {' and '.join(rules)}. Loosen a limit."


def _shown(row: Objective, value: float) -> str:
    """Times of a batch are milliseconds, as they are limited."""
    if row == INFERENCE_TIME:
        return f"{value * 1e3:.4g} ms"
    return f"{value:.7g} {row.unit}" if row.unit == "s" else f"{value:.7g}"
