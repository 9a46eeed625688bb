"""A search's configuration made to fit into a time limit: fewer children first, then fewer epochs, then only
the last cell as input, then fewer examples.

What a plan measured is scaled by what is cut, and a plan of what is left has the last word. Seconds are wall
seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from popnas.config import RunConfig, changed
from popnas.events import Listen, nobody
from popnas.printable import counted
from popnas.records import JsonValue
from popnas.report.markup import duration
from popnas.workflows.searching.plan import Plan, plan
from popnas.workflows.whole.budget import MARGIN

_FEW_CHILDREN, _FEWEST_CHILDREN = 8, 2
_EPOCHS_KEPT = 1 / 3
"""Below this share of the epochs, fewer examples are taken first. Chosen, not measured."""
_MIN_EXAMPLES, _MIN_EXAMPLES_OF_CLASS = 1000, 20
"""So many training examples, and of each class, are left at least. Chosen, not measured."""
_CHILDREN, _EXPLORING = "search_strategy.max_children", "search_strategy.max_exploration_children"
_REPEATS = "search_strategy.repeats"
_EPOCHS, _SAMPLES = "training_hyperparameters.epochs", "dataset.samples"
_LOOKBACK = "search_space.lookback_depth"
_MOST_PLANS = 4


@dataclass(frozen=True)
class Fitted:
    """The fields that were changed, why as a sentence each (by field), and the seconds that the search is
    expected to take then; `is_within` says whether these are within the limit."""

    changes: Mapping[str, JsonValue] = field(default_factory=dict)
    cuts: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    is_within: bool = True


@dataclass(frozen=True)
class _Estimate:
    """What a search takes if of the children, epochs and examples of `planned` only these shares are left."""

    planned: Plan
    children: float = 1.0
    epochs: float = 1.0
    examples: float = 1.0

    @property
    def seconds(self) -> float:
        """Of the whole search."""
        steps, once = self.planned.steps, self.planned.once_share
        later = sum(
            item.seconds * max(self.children, 1 / item.num_networks)
            for item in steps[2:]
            if item.num_networks
        )
        trained = sum(item.seconds for item in steps[:2]) + later + self.planned.confirmation_seconds
        left = trained * (once + (1 - once) * self.epochs) * self.examples
        return self.planned.fixed_seconds + MARGIN * left


def fit_search(config: RunConfig, hours: float, num_examples: int, tell: Listen = nobody) -> Fitted:
    """Cut a search of `num_examples` training examples so that it is expected to end within `hours`.

    Raises:
        DataError: as the search would.
        UserError: a search that cannot be done here, however little of it.
    """
    limit, now, found = hours * 3600, config, plan(config, tell)
    for _ in range(_MOST_PLANS - 1):
        if _Estimate(found).seconds <= limit:
            break
        cut = changed(now, _cuts(now, found, limit, num_examples))
        if cut == now:
            break
        now, found = cut, plan(cut, tell)
    expected = _Estimate(found).seconds
    changes, cuts = _told(config, now, num_examples)
    return Fitted(changes, cuts, expected, expected <= limit)


def _cuts(config: RunConfig, found: Plan, limit: float, num_examples: int) -> dict[str, JsonValue]:
    """New values of the fields that are cut, as far as it takes."""
    estimate = _Estimate(found)
    children, epochs = config.search_strategy.max_children, config.training_hyperparameters.epochs
    examples = config.dataset.samples or num_examples
    least = max(_MIN_EXAMPLES, _MIN_EXAMPLES_OF_CLASS * (config.dataset.classes_count or 0))

    def down(number: int, floor: int, share: Callable[[float], _Estimate]) -> int:
        """The largest number that fits, or the floor."""
        nonlocal estimate
        fits = _largest(min(floor, number), number, lambda count: share(count / number).seconds <= limit)
        estimate = share(fits / number)
        return fits

    def fewer_children(floor: int) -> int:
        return down(children, floor, lambda share: replace(estimate, children=share))

    def fewer_epochs(floor: int) -> int:
        return down(epochs, floor, lambda share: replace(estimate, epochs=share))

    kept_children = fewer_children(_FEW_CHILDREN)
    kept_epochs = fewer_epochs(max(1, round(epochs * _EPOCHS_KEPT)))
    if estimate.seconds > limit and config.search_space.lookback_depth > 1:
        return {_LOOKBACK: 1}  # a quarter of the cells of one block are left then
    kept_examples = down(examples, least, lambda share: replace(estimate, examples=share))
    if estimate.seconds > limit:
        kept_children, kept_epochs = fewer_children(_FEWEST_CHILDREN), fewer_epochs(1)
    exploring = round(config.search_strategy.max_exploration_children * kept_children / children)
    repeats = round(config.search_strategy.repeats * kept_children / children)
    changes: dict[str, JsonValue] = {
        _CHILDREN: kept_children,
        _EXPLORING: exploring,
        _REPEATS: repeats,
        _EPOCHS: kept_epochs,
    }
    return changes if kept_examples == examples else {**changes, _SAMPLES: kept_examples}


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The largest number from `low` to `high` that fits; `low` if none does. What fits, fits below, too."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _told(
    before: RunConfig, after: RunConfig, num_examples: int
) -> tuple[dict[str, JsonValue], dict[str, str]]:
    values: dict[str, tuple[JsonValue, JsonValue]] = {
        _LOOKBACK: (before.search_space.lookback_depth, after.search_space.lookback_depth),
        _CHILDREN: (before.search_strategy.max_children, after.search_strategy.max_children),
        _EXPLORING: (
            before.search_strategy.max_exploration_children,
            after.search_strategy.max_exploration_children,
        ),
        _REPEATS: (before.search_strategy.repeats, after.search_strategy.repeats),
        _EPOCHS: (before.training_hyperparameters.epochs, after.training_hyperparameters.epochs),
        _SAMPLES: (before.dataset.samples, after.dataset.samples),
    }
    changes = {name: new for name, (old, new) in values.items() if new != old}
    cuts = {
        name: f"{counted(num_examples, 'training example') if values[name][0] is None else values[name][0]} "
        "without the time limit."
        for name in changes
    }
    return changes, cuts


def words(found: Fitted, hours: float) -> str:
    """What came of it, in a sentence."""
    limit = duration(hours * 3600)
    if not found.is_within:
        return (
            f"Even the smallest search of these data is expected to take {duration(found.seconds)} here; "
            f"others.max_hours ends it after {limit}. Fewer search_space.operators or blocks make it smaller."
        )
    cut = ", ".join(f"{name} {value}" for name, value in found.changes.items())
    return f"The search is expected to take {duration(found.seconds)} here" + (
        f"; to fit into {limit} it was cut: {cut}." if cut else f", within {limit} as it is."
    )
