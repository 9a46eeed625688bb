"""What a training needs to know beside the network, the data and the loss, as one torch-free value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from popnas.config.optimizers import OptimizerSpec, SchedulerSpec

if TYPE_CHECKING:
    from popnas.config import RunConfig


@dataclass(frozen=True)
class LookaheadSettings:
    """Slow weights: every `sync_period` steps they move by `slow_step_size` of the way to the trained
    weights.

    Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", 2019.
    """

    sync_period: int = 5
    slow_step_size: float = 0.5


@dataclass(frozen=True)
class TrainingSettings:
    """How a candidate is trained. `weight_decay` 0 is none; `warmup` is in epochs; `score_metric` chooses
    the best epoch.
    """

    epochs: int = 21
    learning_rate: float = 0.01
    weight_decay: float = 0.0
    optimizer: OptimizerSpec = field(default_factory=lambda: OptimizerSpec("adamW"))
    scheduler: SchedulerSpec = field(default_factory=lambda: SchedulerSpec("cdr"))
    warmup: float = 0
    lookahead: LookaheadSettings | None = None
    drop_path: float = 0.0
    ema_decay: float | None = None
    score_metric: str = "accuracy"
    is_compiled: bool = False

    def replace(self, **changes: Any) -> TrainingSettings:
        """A copy with other values, e.g. `settings.replace(epochs=600)`."""
        return replace(self, **changes)

    @classmethod
    def from_config(cls, config: RunConfig) -> TrainingSettings:
        """The settings of a run's candidates."""
        training = config.training_hyperparameters
        optimizer = training.optimizer
        lookahead = None
        if (slow := optimizer.lookahead) is not None:
            lookahead = LookaheadSettings(slow.sync_period, slow.slow_step_size)
        return cls(
            epochs=training.epochs,
            learning_rate=training.learning_rate,
            weight_decay=training.weight_decay or 0.0,
            optimizer=optimizer.optimizer_spec,
            scheduler=optimizer.scheduler_spec,
            warmup=optimizer.warmup,
            lookahead=lookahead,
            drop_path=training.drop_path,
            ema_decay=training.ema_decay,
            score_metric=config.search_strategy.score_metric,
            is_compiled=config.others.enable_XLA_compilation,
        )
