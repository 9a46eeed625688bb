"""What fits into `max_hours` of a whole job: fewer children first (more is cut in `fitting`), then fewer
epochs in selection, and only then fewer in final training.

Every decision is made just before its stage, from what was measured until then, and is told as a sentence.
Seconds are wall seconds. A cut stage also gets its share as a time limit, so that a wrong estimate costs
itself and not the stages after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from popnas.config import RunConfig, changed

STAGE_OVERHEAD = 18.0
"""Seconds that a stage takes beside training: start-up, data, exports; after the final training deployment,
evaluation and the report."""
STAGE_END = 7.0
"""The part of them that comes after training."""
MARGIN = 1.15
"""By so much probes come out too low: loading, checkpoints, two workers on one memory."""
SEARCH_SHARE, SELECTION_SHARE = 0.4, 0.4
"""What search (of the whole) and selection (of the rest) get at least, if later stages want everything.
Chosen, not measured: what a search found counts for little if it is not trained, and the other way round."""


@dataclass(frozen=True)
class StepCost:
    """What a step of the search takes as planned: networks and seconds."""

    num_networks: int
    seconds: float


@dataclass(frozen=True)
class SearchShare:
    """How the search is cut: children per step, its seconds, and the cut in words (None: nothing is cut)."""

    max_children: int
    max_exploration_children: int
    seconds: float
    cut: str | None = None

    def cut_search(self, config: RunConfig) -> RunConfig:
        """The search's configuration with these children, and this share as its time limit."""
        return changed(
            config,
            {
                "search_strategy.max_children": self.max_children,
                "search_strategy.max_exploration_children": self.max_exploration_children,
                "others.max_hours": self.seconds / 3600,
            },
        )


def search_share(
    total: float, later: float, steps: Sequence[StepCost], children: int, exploration: int
) -> SearchShare:
    """The search's part of `total` seconds if all that follows wants `later`; `steps` as planned uncut."""
    planned = MARGIN * sum(step.seconds for step in steps) + STAGE_OVERHEAD
    seconds = max(total - later, min(planned, SEARCH_SHARE * total))
    share = SearchShare(children, exploration, seconds)
    if planned <= seconds:
        return share
    count = children
    while count > 1 and MARGIN * sum(cut_steps(steps, count / children)) + STAGE_OVERHEAD > seconds:
        count -= 1
    if count == children:
        return share
    fewer = round(exploration * count / children)
    cut = (
        f"search: max_children {children} -> {count}, max_exploration_children {exploration} -> {fewer} "
        f"(it would take {_words(planned)} and has {_words(seconds)})"
    )
    return replace(share, max_children=count, max_exploration_children=fewer, cut=cut)


def cut_steps(steps: Sequence[StepCost], fraction: float) -> list[float]:
    """Seconds of each step with this fraction of its children: steps 0 and 1 are always whole; of the others
    at least one network each."""
    later = (
        step.seconds * max(fraction, 1 / step.num_networks) if step.num_networks else 0.0
        for step in steps[2:]
    )
    return [*(step.seconds for step in steps[:2]), *later]


@dataclass(frozen=True)
class EpochShare:
    """How a training stage is cut: its epochs, its seconds, and the cut in words (None: nothing is cut)."""

    epochs: int
    seconds: float
    cut: str | None = None


def selection_share(left: float, epochs: int, epoch_seconds: float, later: float) -> EpochShare:
    """Epochs of model selection, of which one takes `epoch_seconds` for all models together; `left` seconds
    for it and for final training, which wants `later`."""
    seconds = max(left - later, SELECTION_SHARE * left)
    return _epoch_share("model selection", seconds, epochs, epoch_seconds)


def training_share(
    left: float, epochs: int, epoch_seconds: float, overhead: float = STAGE_OVERHEAD
) -> EpochShare:
    """Epochs of final training, which has all that is left."""
    return _epoch_share("final training", left, epochs, epoch_seconds, overhead)


def measured_overhead(late: float) -> float:
    """`STAGE_OVERHEAD` as it is here, if a stage that was to end `STAGE_END` seconds after its training took
    `late`: a busy machine is slow in all that it does, a calm one quick. At most twice, lest one hiccup takes
    all, and two thirds at least. A stage that was through before its time, `late` below 0, says nothing."""
    return STAGE_OVERHEAD * min(max(late / STAGE_END, 2 / 3), 2.0) if late > 0 else STAGE_OVERHEAD


def _epoch_share(
    what: str, seconds: float, epochs: int, epoch_seconds: float, overhead: float = STAGE_OVERHEAD
) -> EpochShare:
    # Without a margin: trainings that turn out to be slower hurry through their schedules, while time that is
    # left over is lost.
    fitting = int((seconds - overhead) / epoch_seconds)
    if fitting >= epochs:
        return EpochShare(epochs, seconds)
    kept = max(fitting, 1)
    cut = (
        f"{what}: {epochs} -> {kept} epochs (an epoch takes {_words(epoch_seconds)}, there are "
        f"{_words(max(seconds, 0.0))})"
    )
    return EpochShare(kept, seconds, cut)


def _words(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
