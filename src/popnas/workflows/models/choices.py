"""What a stage after the search is asked for: which cells, which network, and what differs from the run's
settings. The command line fills these values from its options, so nothing heavy is loaded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

from popnas.errors import UserError, must_be, nearest

NUM_CELLS = 5
MOST_MEMBERS = 32
_SOURCES = ("best", "front")


@dataclass(frozen=True)
class StageChanges:
    """What differs from the run's configuration and the partial one that is laid over it; None: nothing.

    `batch_size`: the learning rate is scaled with it; `test_batch_size`: of everything that does not train;
    `train_strategy`: the device; `sets`: changes "a.b=V" of any fields.
    """

    batch_size: int | None = None
    test_batch_size: int | None = None
    train_strategy: str | None = None
    sets: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check(self, numbers=("batch_size", "test_batch_size"), texts=("train_strategy",))


@dataclass(frozen=True)
class CellChoice:
    """The networks that model selection trains.

    `num_cells` cells (None: 5) of the `source` "best" (by score; None: this one) or "front" (the Pareto front
    of what was trained, by score); or instead of them only `cell`. `params` "LOW;HIGH": of each cell also
    other macro-architectures whose params lie strictly between. `has_references`: the known networks of the
    task are trained beside them.

    Raises:
        UserError: no such source, or one cell together with a choice of many.
    """

    num_cells: int | None = None
    cell: str | None = None
    source: str | None = None
    params: str | None = None
    has_references: bool = False

    def __post_init__(self) -> None:
        _check(self, numbers=("num_cells",), texts=("cell", "source", "params"))
        if self.source not in (None, *_SOURCES):
            near = nearest(self.source or "", _SOURCES)
            raise UserError(
                f"`source` must be one of {', '.join(map(repr, _SOURCES))}, got {self.source!r}.{near}"
            )
        if self.num_cells is not None and self.num_cells < 1:
            raise UserError(f"`num_cells` must be at least 1, got {self.num_cells}.")
        if self.cell is not None and (self.num_cells, self.source) != (None, None):
            raise UserError(
                "`cell` trains the one cell that is given; leave out `num_cells` and `source`, or `cell`."
            )

    @property
    def number(self) -> int:
        """How many cells are taken of those that there are."""
        return NUM_CELLS if self.num_cells is None else self.num_cells

    @property
    def is_from_front(self) -> bool:
        """Whether they are those of the front."""
        return self.source == "front"


@dataclass(frozen=True)
class NetworkChoice:
    """The network of final training.

    `cell`: None = that of the best model of a selection of the run, with its macro-architecture, else the
    search's best. `selection`: the name of that selection (None: the unnamed one). Each of the numbers: None
    = not given, so as the partial configuration changes it, else as the cell comes with it; a number counts
    as given where it is the run's own, too.

    `ensemble`: so many networks at most answer together, chosen among those of the selection, or seeds of the
    one that is given or, without a selection, the search's best; `max_params`: of all of them together (where
    no network has so few, the smallest one is delivered).

    Raises:
        UserError: fewer than 2 members, more than 32, `max_params` without an ensemble, or a `selection`
            beside a `cell`.
    """

    cell: str | None = None
    motifs: int | None = None
    normal_cells: int | None = None
    filters: int | None = None
    ensemble: int | None = None
    max_params: int | None = None
    selection: str | None = None

    def __post_init__(self) -> None:
        numbers = ("motifs", "normal_cells", "filters", "ensemble", "max_params")
        _check(self, numbers=numbers, texts=("cell", "selection"))
        check_ensemble(self.ensemble, self.max_params)
        if self.selection is not None and self.cell is not None:
            raise UserError("`selection` names where the cell comes from; leave it out, or `cell`.")

    @property
    def is_given(self) -> bool:
        """Whether one network is asked for, and not what the selection says."""
        return (self.cell, self.motifs, self.normal_cells, self.filters) != (None,) * 4


def check_ensemble(ensemble: int | None, max_params: int | None) -> None:
    """Raises UserError: a number of members that none has, or a limit without an ensemble."""
    if ensemble is not None and not 2 <= ensemble <= MOST_MEMBERS:
        raise UserError(f"`ensemble` {ensemble}: it has 2 to {MOST_MEMBERS} members.")
    if max_params is not None and (ensemble is None or max_params < 1):
        raise UserError(
            f"`max_params` {max_params}: how many params all members of an `ensemble` have together, 1 at "
            "least. Of one network it is limited where it is chosen, with `params` of the model selection."
        )


def _check(choice: object, *, numbers: Sequence[str], texts: Sequence[str]) -> None:
    """Raises UserError: a field holds something else."""
    for names, kind in ((numbers, Integral), (texts, str)):
        for name in names:
            must_be(getattr(choice, name), kind, f"`{name}`")
