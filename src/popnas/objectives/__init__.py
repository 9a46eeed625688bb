"""Objectives of a search: the score, training time, inference time, params and FLOPs.

A row of `rows.ROWS` is all that is decided about one: what it is called in configurations, in which
direction it is better, in which unit it is shown, whether it is measured on trained networks (and so
predicted for others) or computed exactly, where an `Evaluation` holds it and which column of tables shows
it. Whoever needs a name, a field or a column of an objective takes it from there. Nothing here may import
torch or anything but the ground floor.

To add one: one more file here that registers an `Objective` in `REGISTRY`, with `compute` or `measure`, or an
entry point of the group `popnas.objectives`. `figures` are the rows of a search: those that every search has,
and those that it asks for.
"""

from collections.abc import Iterable, Mapping, Sequence

from popnas.errors import UnknownNameError
from popnas.evaluation import Evaluation
from popnas.objectives._base import REGISTRY, Objective
from popnas.objectives.rows import COSTS, ROWS, TIMES


def get(name: str) -> Objective:
    """The objective of that name.

    Raises:
        UnknownNameError: there is none; the message lists them.
    """
    return REGISTRY.get(name)


def costs() -> list[str]:
    """The names of what may stand beside the score: popnas's own in their order, then others by name."""
    brought = [name for name, row in REGISTRY.items() if row not in ROWS]
    return [*(row.name for row in COSTS), *brought]


def figures(wanted: Iterable[str]) -> tuple[Objective, ...]:
    """What every search has figures of, the score first, then those of `wanted` that others brought.

    Raises:
        UnknownNameError: one of `wanted` is not registered, or no longer.
    """
    names = list(dict.fromkeys(wanted))
    if lacking := unknown(names):
        raise UnknownNameError(
            f"the search optimises or constrains '{lacking[0]}', an objective that no package installed here "
            "brings. Install the package that it was searched with."
        )
    found = [get(name) for name in names]
    return (*ROWS, *(row for row in found if row not in ROWS))


def unknown(wanted: Iterable[str]) -> list[str]:
    """Those of `wanted` that nobody here knows: the package that brought them is not installed."""
    return [name for name in wanted if name not in REGISTRY.names()]


def others(wanted: Iterable[str]) -> tuple[Objective, ...]:
    """Those of `wanted` that popnas has no figures of anyway."""
    return figures(wanted)[len(ROWS) :]


def measured(wanted: Iterable[str]) -> tuple[Objective, ...]:
    """What candidates are measured for beside their score; others are predicted for cells that are not."""
    return (*TIMES, *(row for row in others(wanted) if not row.is_computed))


def keeps_to(evaluation: Evaluation, constraints: Mapping[str, Sequence[float]]) -> bool:
    """Whether each objective that is named lies within its least and greatest value."""
    return all(
        (value := get(name).value(evaluation)) is not None and least <= value <= greatest
        for name, (least, greatest) in constraints.items()
    )


__all__ = ["REGISTRY", "Objective", "costs", "figures", "get", "keeps_to", "measured", "others", "unknown"]
