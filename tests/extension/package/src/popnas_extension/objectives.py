"""`variety`, computed from cells, and `weight_norm`, measured on trained networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from popnas.objectives import REGISTRY, Objective


def _num_operators(cells_NB4: np.ndarray, space: Any, spec: Any) -> np.ndarray:
    operators_NB2 = cells_NB4[:, :, 1::2]
    used = [(operators_NB2 == index).any(axis=(1, 2)) for index in range(space.num_operators)]
    return np.sum(used, axis=0, dtype=np.int64)


def _norm(network: Any, spec: Any, placement: Any) -> float:
    return float(sum(weight.detach().square().sum() for weight in network.parameters())) ** 0.5


REGISTRY.register("variety", description="different operators in a cell")(
    Objective(
        "variety",
        "operator variety",
        "operators",
        None,
        "different operators",
        is_maximized=True,
        is_computed=True,
        compute=_num_operators,
    )
)
REGISTRY.register("weight_norm", description="the Euclidean norm of a trained network's weights")(
    Objective("weight_norm", "weight norm", "", None, "norm of weights", measure=_norm)
)
