"""What stands behind a candidate: training its network, or whatever else knows its figures.

`_base` is the contract (`Evaluator`, `Forecast`); each other module or package is one evaluator, found by
the registry and chosen in the configuration (`others.evaluator`). The driver of a search
(`popnas.workflows.searching`) knows cells, figures and this contract, and neither data nor networks.
Evaluators may use everything below them; they may not import workflows, nor one another. What declares an
evaluator must not import torch at its top: names are listed and configurations checked without it.

To add one: a module here (or behind the entry point group `popnas.evaluators`) with a subclass of `Evaluator`
under `@REGISTRY.register(name, description=...)`, and the two functions that its workers call, which speak
JSON: `setup(payload, worker)` and `evaluate(context, job)`, a `CandidateJob` to a `Measured`. The contract
suite (`tests/contract/test_evaluators.py`) picks it up.
"""

from popnas.evaluators._base import (
    REGISTRY,
    BestModel,
    CellsStacked,
    Evaluator,
    Expected,
    Forecast,
    create,
    stacking,
)

__all__ = [
    "REGISTRY",
    "BestModel",
    "CellsStacked",
    "Evaluator",
    "Expected",
    "Forecast",
    "create",
    "stacking",
]
