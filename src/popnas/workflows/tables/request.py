"""What a table is asked to hold, and what a benchmark is asked to search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from popnas.errors import UserError
from popnas.records import Record

if TYPE_CHECKING:
    from popnas.cells import SearchSpace

MOST_SEEDS, MOST_RUNS = 32, 1000
Mode = Literal["compatible", "native"]


@dataclass(frozen=True)
class TableRequest(Record):
    """What a table is asked to hold.

    `samples`: by number of blocks how many of its cells, where not all; `seeds`: trainings of each of the
    `repeated` cells, which are half drawn evenly and half the best of the first trainings.
    """

    samples: Mapping[str, int] = field(default_factory=dict)
    seeds: int = 3
    repeated: int = 500

    def check(self, space: SearchSpace) -> None:
        """Raises UserError: cells of so many blocks there are none, or a number that cannot be."""
        for blocks, number in self.samples.items():
            if not blocks.isdigit() or not 2 <= int(blocks) <= space.num_blocks:
                raise UserError(
                    f"`samples` {blocks}={number}: cells can be sampled of 2 to search_space.blocks "
                    f"({space.num_blocks}) blocks; those of 0 and 1, with which a search begins, must all be "
                    "there."
                )
            if number < 1:
                raise UserError(f"`samples` {blocks}={number}: at least 1 cell must be taken.")
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise UserError(f"`seeds` {self.seeds}: must be 1 to {MOST_SEEDS}.")
        if self.repeated < 0:
            raise UserError(f"`repeated` {self.repeated}: must be 0 or more cells.")


@dataclass(frozen=True)
class BenchmarkRequest(Record):
    """Which searches are done: `runs` of them, with seeds from `seed` on; `epochs` is the signal."""

    mode: Mode = "native"
    data_set: str = "cifar10"
    epochs: int = 12
    runs: int = 3
    seed: int = 0

    def check(self) -> None:
        """Raises UserError: something that cannot be."""
        from popnas.evaluators.nasbench201.stored import DATA_SETS, EPOCHS

        if self.data_set not in DATA_SETS:
            raise UserError(f"`data_set` '{self.data_set}': must be one of {', '.join(DATA_SETS)}.")
        if self.epochs not in EPOCHS:
            raise UserError(f"`epochs` {self.epochs}: must be {' or '.join(map(str, EPOCHS))}.")
        if not 1 <= self.runs <= MOST_RUNS:
            raise UserError(f"`runs` {self.runs}: must be 1 to {MOST_RUNS}.")
        if self.seed < 0:
            raise UserError(f"`seed` {self.seed}: must be 0 or more.")
