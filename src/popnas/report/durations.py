"""Where the time of a search went, from what its workers measured."""

from __future__ import annotations

from dataclasses import dataclass

from popnas.report.run_data import RunData


@dataclass(frozen=True)
class StepTime:
    """Seconds of a step's candidates, summed over workers: `other` is building, measuring inference, writing;
    `failed` all the time of candidates that failed."""

    step: int
    num_networks: int
    training: float = 0.0
    validation: float = 0.0
    other: float = 0.0
    failed: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.training + self.validation + self.other + self.failed


def per_step(run: RunData) -> list[StepTime]:
    """All steps of which times are known."""
    found = []
    for step in sorted({item.step for item in run.state.evaluations}):
        items = [item for item in run.state.evaluated(step) if item.wall_seconds is not None]
        if not items:
            continue
        sums = {"training": 0.0, "validation": 0.0, "other": 0.0, "failed": 0.0}
        for item in items:
            wall = item.wall_seconds or 0.0
            if item.is_failed:
                sums["failed"] += wall
                continue
            training = item.epochs_seconds or 0.0
            validation = item.validation_seconds or 0.0
            sums["training"] += training
            sums["validation"] += validation
            # With simulated timing the parts need not add up to the clock's whole.
            sums["other"] += max(wall - training - validation, 0.0)
        found.append(StepTime(step, len(items), **sums))
    return found
