"""`witnessed`: trains as popnas does, and signs every answer."""

from __future__ import annotations

from typing import Any

from popnas.evaluators import REGISTRY
from popnas.evaluators.training import TrainingEvaluator


@REGISTRY.register("witnessed", description="trains the networks of candidates and signs their figures")
class WitnessedEvaluator(TrainingEvaluator):
    """See the module."""

    evaluate = "popnas_extension.evaluators:evaluate"


def evaluate(context: Any, payload: dict[str, Any]) -> dict[str, Any]:
    """What a worker calls for a candidate."""
    # In a worker only: training loads torch.
    from popnas.evaluators.training import candidate

    answer = candidate.evaluate(context, payload)
    return {**answer, "volatile": {**answer["volatile"], "witness": "popnas_extension"}}
