"""Objectives of a search: the score, training time, inference time, params and FLOPs.

A row of `rows.ROWS` is all that is decided about one: what it is called in configurations, in which
direction it is better, in which unit it is shown, whether it is measured on trained networks (and so
predicted for others) or computed exactly, where an `Evaluation` holds it and which column of tables shows
it. Whoever needs a name, a field or a column of an objective takes it from there. Nothing here may import
torch or anything but the ground floor.

To add one: one more file here that registers an `Objective` in `REGISTRY`, or an entry point of the group
`popnas.objectives`.
"""

from collections.abc import Mapping, Sequence

from popnas.evaluation import Evaluation
from popnas.objectives._base import REGISTRY, Objective


def get(name: str) -> Objective:
    """The objective of that name.

    Raises:
        UnknownNameError: there is none; the message lists them.
    """
    return REGISTRY.get(name)


def keeps_to(evaluation: Evaluation, constraints: Mapping[str, Sequence[float]]) -> bool:
    """Whether each objective that is named lies within its least and greatest value."""
    return all(
        (value := get(name).value(evaluation)) is not None and least <= value <= greatest
        for name, (least, greatest) in constraints.items()
    )


__all__ = ["REGISTRY", "Objective", "get", "keeps_to"]
