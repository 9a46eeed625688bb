"""What a whole job is asked for, beside the configuration of its search. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from popnas.config import Source

STAGES = ("search", "selection", "training", "evaluation")


@dataclass(frozen=True)
class JobRequest:
    """The stages after the search, to the `last` one; None: as these stages have it by themselves.

    `selection_partial`, `training_partial`: their partial configurations; `num_cells`, `params`: as
    `CellChoice`; `batch_size`: of both, the learning rate is scaled with it; `ensemble`, `max_params`: as
    `NetworkChoice`.
    """

    selection_partial: Source | None = None
    training_partial: Source | None = None
    num_cells: int | None = None
    params: str | None = None
    batch_size: int | None = None
    ensemble: int | None = None
    max_params: int | None = None
    last: str = STAGES[-1]

    @property
    def stages(self) -> tuple[str, ...]:
        """All that the job does, in their order."""
        return stages_to(self.last)


def stages_to(last: str) -> tuple[str, ...]:
    """The stages up to the last one."""
    return STAGES[: STAGES.index(last) + 1]
