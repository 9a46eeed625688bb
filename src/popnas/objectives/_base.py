"""What an objective is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from popnas.errors import PopnasError
from popnas.evaluation import Evaluation
from popnas.printable import counted
from popnas.registry import Registry

Compute = Callable[[np.ndarray, Any, Any], np.ndarray]
"""Cells (N, B, 4) as `SearchSpace.encode` gives them (B is 0 for the empty cell alone), the `SearchSpace` and
the `NetworkSpec` of the search to the cells' exact values (N,): the same for equivalent cells, whatever cells
stand beside them."""

Measure = Callable[[Any, Any, Any], float]
"""A trained `Network`, its `NetworkSpec` and the `Placement` that it computes on to its value, at least 0."""


@dataclass(frozen=True)
class Objective:
    """An objective of a search.

    An objective that popnas does not measure anyway says how its values come about: `compute` for what is
    known exactly from the cell, `measure` for what only a trained network tells; others are then predicted by
    the predictor of times, since like times they are taken to add up over the operators. Both are asked only
    in searches that optimise or constrain it.

    Attributes:
        name: in configurations, journals, predictions and the names of files; a Python identifier.
        title, unit: in figures and on pages.
        field: of the `Evaluation` that holds it; None for one that says itself how its values come about.
        column: of the CSV files that show it for trained cells.
        is_maximized: more is better.
        is_computed: known exactly from the cell; else measured on trained networks and predicted for others.
        compute, measure: see above.
        features_file: the CSV file of what its predictor learnt from; by default `training_{name}.csv`.

    Raises:
        PopnasError: a name that is no identifier, or none or several of `field`, `compute` and `measure`.
    """

    name: str
    title: str
    unit: str
    field: str | None
    column: str
    is_maximized: bool = False
    is_computed: bool = False
    compute: Compute | None = None
    measure: Measure | None = None
    features_file: str = ""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise PopnasError(f"an objective's name must be a Python identifier, got '{self.name}'")
        given = [part is not None for part in (self.field, self.compute, self.measure)]
        if sum(given) != 1 or (self.field is None and self.is_computed != (self.compute is not None)):
            raise PopnasError(
                f"the objective '{self.name}' needs either `compute` and is_computed=True, or `measure` and "
                "is_computed=False, or the field of an Evaluation"
            )

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Where better lies, in words."""
        return "maximize" if self.is_maximized else "minimize"

    @property
    def origin(self) -> Literal["measured", "computed"]:
        """Where its values come from, in words."""
        return "computed" if self.is_computed else "measured"

    @property
    def costs_file(self) -> str:
        """The CSV file of what each operator adds to it, for one that is measured."""
        # Of popnas's own times a plural, which is published; names of others are as they were given.
        return f"reindex_op_{self.name}{'' if self.field is None else 's'}.csv"

    @property
    def learnt_file(self) -> str:
        """The CSV file of the features that its predictor learnt from."""
        return self.features_file or f"training_{self.name}.csv"

    def figure(self, evaluation: Evaluation) -> float | None:
        """The evaluation's figure as it holds it (counts are whole numbers); None if it has none."""
        if self.field is None:
            return evaluation.objectives.get(self.name)
        found: float | None = getattr(evaluation, self.field)
        return found

    def value(self, evaluation: Evaluation) -> float | None:
        """The evaluation's figure as a float, in `unit`; None if it failed or was not measured."""
        found = self.figure(evaluation)
        return None if found is None else float(found)

    def computed(self, cells_NB4: np.ndarray, space: Any, spec: Any) -> np.ndarray:
        """What `compute` gives for cells, (N,).

        Raises:
            PopnasError: it gave another number of values, or one that is no finite number.
        """
        assert self.compute is not None, self.name
        found_N = np.asarray(self.compute(cells_NB4, space, spec))
        if found_N.shape != (len(cells_NB4),) or found_N.dtype.kind not in "iuf":
            raise PopnasError(
                f"the objective '{self.name}' must give {len(cells_NB4)} numbers, one for each cell. Got an "
                f"array {found_N.shape} of {found_N.dtype} instead."
            )
        if len(wrong := np.flatnonzero(~np.isfinite(found_N))):
            raise PopnasError(
                f"the objective '{self.name}' must give finite numbers, got {found_N[wrong[0]]} for "
                f"{len(wrong)} of {counted(len(found_N), 'cell')}."
            )
        return found_N

    def measured(self, network: Any, spec: Any, placement: Any) -> float:
        """What `measure` gives for a trained network.

        Raises:
            PopnasError: it is no finite number of at least 0.
        """
        assert self.measure is not None, self.name
        value: Any = self.measure(network, spec, placement)
        try:
            found = float(value)
        except (TypeError, ValueError):
            found = math.nan
        if not (math.isfinite(found) and found >= 0):
            raise PopnasError(
                f"the objective '{self.name}' must give a finite number of at least 0, got {value!r}"
            )
        return found


REGISTRY: Registry[Objective] = Registry("objective", "popnas.objectives", "popnas.objectives")
