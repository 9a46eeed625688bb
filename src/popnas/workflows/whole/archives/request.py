"""What a campaign is asked for. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CampaignRequest:
    """`hours`: of each problem's job (None: no limit); `workers`: jobs at a time (None: one per core);
    `num_cells`, `selection_partial`, `training_partial`, `ensemble`, `max_params`: as `popnas e2e` takes
    them; `sets`: the changes that were made to the configuration; what they state is not suited to each
    problem; `against`: a CSV file of results to rank this campaign with."""

    hours: float | None = None
    workers: int | None = None
    num_cells: int | None = None
    selection_partial: str | None = None
    training_partial: str | None = None
    ensemble: int | None = None
    max_params: int | None = None
    sets: Sequence[str] = ()
    against: Path | None = None
