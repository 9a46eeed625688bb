"""What an objective is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from popnas.evaluation import Evaluation
from popnas.registry import Registry


@dataclass(frozen=True)
class Objective:
    """An objective of a search.

    Attributes:
        name: in configurations, journals and predictions.
        title, unit: in figures and on pages.
        field: of the `Evaluation` that holds it.
        column: of the CSV files that show it for trained cells.
        is_maximized: more is better.
        is_computed: known exactly from the cell; else measured on trained networks and predicted for others.
    """

    name: str
    title: str
    unit: str
    field: str
    column: str
    is_maximized: bool = False
    is_computed: bool = False

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Where better lies, in words."""
        return "maximize" if self.is_maximized else "minimize"

    @property
    def origin(self) -> Literal["measured", "computed"]:
        """Where its values come from, in words."""
        return "computed" if self.is_computed else "measured"

    def value(self, evaluation: Evaluation) -> float | None:
        """The evaluation's figure, in `unit`; None if it failed or was not measured."""
        found = getattr(evaluation, self.field)
        return None if found is None else float(found)


REGISTRY: Registry[Objective] = Registry("objective", "popnas.objectives", "popnas.objectives")
