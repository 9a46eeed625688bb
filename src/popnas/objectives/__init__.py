"""Objectives of a search: the score, training time, inference time, params and FLOPs.

An objective says what it is called in configurations, in which direction it is better, in which unit it is
shown, whether it is measured on trained networks (and so predicted for others) or computed exactly, and where
an `Evaluation` holds it. Nothing here may import torch.

To add one: one file here that registers an `Objective` in `REGISTRY`, or an entry point of the group
`popnas.objectives`.
"""

from popnas.objectives._base import Objective, Origin
from popnas.registry import Registry

REGISTRY: Registry[Objective] = Registry("objective", "popnas.objectives", "popnas.objectives")


def get(name: str) -> Objective:
    """The objective of that name.

    Raises:
        UnknownNameError: there is none; the message lists them.
    """
    return REGISTRY.get(name)


__all__ = ["REGISTRY", "Objective", "Origin", "get"]
