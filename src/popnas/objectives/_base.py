"""What an objective is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from popnas.evaluation import Evaluation

# measured: known after training, so it is predicted for candidates; computed: known exactly from the cell.
Origin = Literal["measured", "computed"]


@dataclass(frozen=True)
class Objective:
    """An objective: `name` in configurations, `title` and `unit` in figures, `field` of the Evaluation."""

    name: str
    title: str
    unit: str
    is_maximized: bool
    origin: Origin
    field: str

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Where better lies, in words."""
        return "maximize" if self.is_maximized else "minimize"

    def value(self, evaluation: Evaluation) -> float | None:
        """The evaluation's figure, in `unit`; None if it failed or was not measured."""
        found = getattr(evaluation, self.field)
        return None if found is None else float(found)
