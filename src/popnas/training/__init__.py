"""The training engine: one network trained, validated and timed on one device.

What lives here: `settings` (what a configuration says about training), `schedules` (learning rate per step,
and how fast a training goes through them), `optimizers`, `loop` (`fit`), `clocks` and `inference` (what is
measured, and how), `accelerated` (what GPUs have beside), `gpus` (what a kind of GPU is good at),
`simulated` (times that do not depend on the machine), `device` (on which). Where a network computes, in
which memory format and precision, is a `popnas.placement.Placement`.

Not imported here: networks, datasets and tasks. A network is any module that maps `(x, lengths)` to a tuple
of logits and has `head_weights` and `set_progress`; a loader is any iterable of batches with `set_epoch`.
`settings`, `schedules` and `simulated` are free of torch, so that a schedule can be shown without loading
it; hence the names resolve lazily.

To add an optimizer, extend the grammar in `config/optimizers.py` and give `optimizers.make` a branch; to
add a schedule, the same grammar and `schedules.schedule`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from popnas.lazy import attribute

if TYPE_CHECKING:
    from popnas.training.inference import inference_seconds
    from popnas.training.interfaces import SnapshotError
    from popnas.training.loop import Course, Criteria, fit
    from popnas.training.results import EpochRecord, TrainingResult
    from popnas.training.schedules import TrainingPace
    from popnas.training.settings import TrainingSettings

__all__ = [
    "Course",
    "Criteria",
    "EpochRecord",
    "SnapshotError",
    "TrainingPace",
    "TrainingResult",
    "TrainingSettings",
    "fit",
    "inference_seconds",
]

_HOMES = {
    "Course": ".loop",
    "Criteria": ".loop",
    "EpochRecord": ".results",
    "SnapshotError": ".interfaces",
    "TrainingPace": ".schedules",
    "TrainingResult": ".results",
    "TrainingSettings": ".settings",
    "fit": ".loop",
    "inference_seconds": ".inference",
}


def __getattr__(name: str) -> Any:
    return attribute(__name__, _HOMES, name)
