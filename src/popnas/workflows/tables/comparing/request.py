"""What is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from popnas.errors import UserError, nearest
from popnas.records import Json, Record
from popnas.workflows.tables.request import MOST_RUNS

WALKS = {
    "random": "cells drawn evenly, none twice",
    "evolution": "regularized evolution (Real et al. 2019)",
    "local-search": "all neighbours of the best, restarts (White et al. 2021)",
    "nsga2": "NSGA-II of optuna, score and cost",
}
"""Methods that propose one candidate after the other and may be stopped after any."""

PROGRESSIVE = {
    "search": "popnas as it is configured for the table",
    "pnas": "the same in PNAS mode",
    "progressive-random": "the same steps, a random choice among the expansions",
}
"""Methods that are planned for a number of networks."""

METHODS = {**PROGRESSIVE, **WALKS}
OBJECTIVES = ("time", "params", "flops", "inference_time")
EVERYTHING = "whole table"
"""Stands for a method that sees all of the table once."""
_FEWEST, _MOST = 2, 100_000
TRAININGS = (2, 64)
"""Of each cell, at least and at most."""


@dataclass(frozen=True)
class NamedConfig(Record):
    """A search of popnas that is compared under a name of its own: what differs from `search`.

    `partial`: sections of a configuration; `sets`: changes "a.b=V" over them.
    """

    name: str
    partial: Json = field(default_factory=dict)
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class CompareRequest(Record):
    """What is compared, over one table.

    Attributes:
        methods: names in `METHODS`.
        configs: further searches of popnas.
        seeds: how many searches of each, with the seeds `seed`, `seed` + 1, ...
        networks: budgets in candidates evaluated, the empty cell and failures among them.
        seconds: budgets in seconds of simulated training; empty: the median training times `networks`.
        objective: what is optimised beside the score, and spans the hypervolume with it.
        epochs: the fidelity that searches see; None: the table's last (NAS-Bench-201: 12).
        trainings: so many of every cell are drawn around what the table has of it (`redrawn`); None: those
            that it has.
        blocks: only cells of up to so many blocks; None: all of the table.
        data_set: of NAS-Bench-201.
        latency: (device, file) that NAS-Bench-201 has its inference times from; None: it has none.
    """

    methods: tuple[str, ...] = tuple(METHODS)
    configs: tuple[NamedConfig, ...] = ()
    seeds: int = 10
    seed: int = 0
    networks: tuple[int, ...] = (60, 100, 150)
    seconds: tuple[float, ...] = ()
    objective: str = "time"
    epochs: int | None = None
    trainings: int | None = None
    blocks: int | None = None
    data_set: str = "cifar10"
    latency: tuple[str, str] | None = None

    @property
    def names(self) -> list[str]:
        """All that is compared."""
        return [*self.methods, *(config.name for config in self.configs)]

    def check(self) -> None:
        """Raises UserError: something that cannot be."""
        for name in self.methods:
            if name not in METHODS:
                hint = nearest(name, METHODS)
                raise UserError(f"`methods` '{name}': must be one of {', '.join(METHODS)}.{hint}")
        for config in self.configs:
            if config.name in METHODS:
                raise UserError(f"`configs`: '{config.name}' is a method of its own. Choose another name.")
        for name in self.names:
            if self.names.count(name) > 1:
                raise UserError(
                    f"`methods`: '{name}' stands twice: each is compared once, under a name of its own."
                )
        if not self.names:
            raise UserError("`methods`: name one at least.")
        _check_range("seeds", (self.seeds,), 1, MOST_RUNS)
        _check_range("seed", (self.seed,), 0, 2**31)
        _check_range("networks", self.networks or (0,), _FEWEST, _MOST)
        if self.trainings is not None:
            _check_range("trainings", (self.trainings,), *TRAININGS)
        if min(self.seconds, default=1.0) <= 0:
            raise UserError(f"`seconds` {min(self.seconds)}: must be more than 0.")
        if self.objective not in OBJECTIVES:
            raise UserError(f"`objective` '{self.objective}': must be one of {', '.join(OBJECTIVES)}.")


def _check_range(name: str, values: Sequence[int], least: int, most: int) -> None:
    for value in values:
        if not least <= value <= most:
            raise UserError(f"`{name}` {value}: must be {least} to {most:,}.")
