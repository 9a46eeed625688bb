"""What is known of cells, of a search space and of a schedule before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from popnas import evaluators, files, networks, operators, tasks
from popnas.cells import Cell, SearchSpace
from popnas.config import RunConfig, jsonc
from popnas.errors import UserError, nearest
from popnas.networks.spec import NetworkSpec
from popnas.predictors.features import time_features
from popnas.printable import counted, quoted
from popnas.records import Json
from popnas.training import schedules
from popnas.training.settings import TrainingSettings

if TYPE_CHECKING:
    from popnas.datasets import Dataset

_MOST_STEPS = 1_000_000
_SHAPES = {1: ("timesteps x channels", "150x3"), 2: ("height x width x channels", "32x32x3")}


@dataclass(frozen=True)
class CellDescription:
    """A cell as it was given, its canonical form, and its network's figures (FLOPs of one sample, bytes over
    each cut between built cells); `time_features` if operator costs are known.
    """

    cell: str
    canonical: str
    cells_stacked: int
    params: int
    flops: int
    partitions: dict[str, int]
    time_features: list[float] | None = None

    def to_json(self) -> Json:
        """The fields, without `time_features` where there are none."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class _DataFacts:
    """What a network's spec takes from data."""

    input_shape: tuple[int, ...]
    num_classes: int
    has_lengths: bool = False


def network_spec(
    config: RunConfig, input_shape: str | None = None, classes: int | None = None
) -> NetworkSpec:
    """The spec of a run's networks. Data are loaded only if they have to tell the shape or the classes.

    `input_shape` is written `32x32x3` or `150x3`; `classes` defaults to `dataset.classes_count`.

    Raises:
        UserError: a shape that is none, or does not suit the task.
        DataError: data that cannot be loaded.
    """
    task = tasks.get(config.dataset.type)
    shape = None if input_shape is None else _parsed_shape(input_shape, task.num_dims)
    if classes is None:
        classes = config.dataset.classes_count
    if shape is not None and classes is not None:
        return task.network_spec(config, cast("Dataset", _DataFacts(shape, classes)))
    if not evaluators.REGISTRY.get(config.others.evaluator).needs_dataset:
        raise UserError(
            f"others.evaluator: '{config.others.evaluator}' has figures of cells and no data, which would "
            "tell the shape and the number of classes. Give both: `input_shape` and `classes`."
        )
    dataset = task.load(config)
    spec = task.network_spec(config, dataset)
    return spec.replace(
        input_shape=shape or spec.input_shape,
        num_classes=classes or spec.num_classes,
        has_lengths=spec.has_lengths and shape is None,
    )


def _parsed_shape(text: str, num_dims: int) -> tuple[int, ...]:
    parts = text.lower().split("x")
    is_number = [part.isascii() and part.isdigit() and 0 < int(part) < 2**31 for part in parts]
    if not all(is_number) or len(parts) != num_dims + 1:
        words, example = _SHAPES[num_dims]
        raise UserError(
            f"`input_shape` '{text}': must be {words} for this task, whole numbers, as in {example}"
        )
    return tuple(int(part) for part in parts)


def describe_cells(
    cells: Sequence[Cell], spec: NetworkSpec, operator_costs: dict[str, float] | None = None
) -> list[CellDescription]:
    """Describe cells, whose operators and lookbacks need not be in any search space.

    `operator_costs` are taken as they are, by operator.

    Raises:
        OperatorError: an operator that does not exist or does not suit the data.
        UserError: an operator without a cost.
    """
    space = SearchSpace.covering(cells)
    cells_NB4 = space.encode(cells, space.num_blocks)
    costs = networks.bulk_costs(cells_NB4, space, spec)
    stacked_N = networks.num_cells_stacked(cells_NB4, spec)
    features: Sequence[list[float] | None] = [None] * len(cells)
    if operator_costs is not None:
        cost_of = _costs_in_order(operator_costs, cells, space)
        features = time_features(cells_NB4, cost_of, stacked_N).tolist()
    return [
        CellDescription(
            cell=str(cell),
            canonical=cell.key,
            cells_stacked=int(stacked_N[index]),
            params=int(costs.params[index]),
            flops=int(costs.flops[index]),
            partitions=networks.partitions(cell, spec),
            time_features=features[index],
        )
        for index, cell in enumerate(cells)
    ]


def _costs_in_order(costs: dict[str, float], cells: Sequence[Cell], space: SearchSpace) -> np.ndarray:
    used = set().union(*(cell.operators for cell in cells))
    missing = sorted(used - set(costs))
    if missing:
        raise UserError(
            f"`operator_costs` has no cost for {', '.join(repr(name) for name in missing)}."
            f"{nearest(missing[0], costs)} It has: {', '.join(sorted(costs)) or 'none'}"
        )
    return np.array([costs.get(name, 0.0) for name in space.operators])


def read_cells(path: Path, num_dims: int) -> list[Cell]:
    """The cells of a file, one a line; empty lines at its end do not count.

    Raises:
        UserError: an unreadable file, or lines that are no cell; the message numbers them from 1.
    """
    cells, mistakes = [], []
    for number, line in enumerate(_text(path, "specs").rstrip().split("\n"), start=1):
        try:
            cells.append(read_cell(line, num_dims))
        except UserError as error:
            mistakes.append(f"line {number}: {error}")
    if mistakes:
        shown = [*mistakes[:10], f"... and {len(mistakes) - 10} more"] if len(mistakes) > 10 else mistakes
        raise UserError(
            "\n".join([f"{quoted(path)} has lines that are no cells:", *(f"  {line}" for line in shown)])
        )
    return cells


def read_cell(text: str, num_dims: int) -> Cell:
    """A cell whose operators exist for such data.

    Raises:
        CellSyntaxError: no cell.
        OperatorError: an operator that does not exist or does not suit.
    """
    cell = Cell.parse(text)
    for name in sorted(cell.operators):
        operators.parse(name, num_dims)
    return cell


def read_operator_costs(path: Path) -> dict[str, float]:
    """A JSON object from operators to numbers.

    Raises:
        UserError: an unreadable file, or something else in it.
    """
    rule = f'{path} must be a JSON object of operators and finite numbers, as in {{"3x3 conv": 0.37}}'
    try:
        costs = jsonc.parse(_text(path, "operator_costs")).value
    except jsonc.JsonError as error:
        where = f"line {error.line}, column {error.column}"
        raise UserError(f"{rule}; it is no JSON ({where}: {error.message})") from None
    if not isinstance(costs, dict):
        raise UserError(f"{rule}; it holds {type(costs).__name__}")
    for name, cost in costs.items():
        if not isinstance(cost, int | float) or isinstance(cost, bool) or not math.isfinite(cost):
            raise UserError(f"{rule}; '{name}' has {cost!r}")
    return {name: float(cost) for name, cost in costs.items()}


def _text(path: Path, argument: str) -> str:
    try:
        return files.read_text(path, may_be_stream=True)
    except OSError as error:
        if files.trouble(path) == "it does not exist":
            raise UserError(f"`{argument}` {quoted(path)} {files.missing(path)}") from None
        raise UserError(f"`{argument}` {quoted(path)} cannot be read: {files.reason(error)}.") from None


def new_blocks(config: RunConfig) -> list[int]:
    """How many distinct blocks each step may add to a cell, steps 1 to B."""
    return [config.space.count_new_blocks(step) for step in range(1, config.search_space.blocks + 1)]


def schedule(config: RunConfig, steps_per_epoch: int) -> tuple[list[float], list[float]]:
    """Learning rate and weight decay at each step of a candidate's training.

    Raises:
        UserError: more steps than can be listed.
    """
    num_steps = config.training_hyperparameters.epochs * steps_per_epoch
    if num_steps > _MOST_STEPS:
        raise UserError(
            f"`steps_per_epoch` {steps_per_epoch}: {config.training_hyperparameters.epochs:,} epochs make "
            f"{counted(num_steps, 'step')}, and at most {_MOST_STEPS:,} are listed. Give fewer "
            "steps or epochs."
        )
    return schedules.per_step(TrainingSettings.from_config(config), steps_per_epoch)
