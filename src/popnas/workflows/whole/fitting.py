"""A search's configuration made to fit into a time limit: smaller crops of images with masks first, as epochs
show all pixels all the same; then fewer children, fewer epochs, fewer blocks, a designed part of the cells
of one block, only the last cell as input, fewer examples; at last nothing that is no search by its front.

What a plan measured is scaled by what is cut, and a plan of what is left has the last word. Seconds are wall
seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from popnas import tasks
from popnas.config import RunConfig, changed
from popnas.events import Listen, nobody
from popnas.printable import counted
from popnas.records import JsonValue, part
from popnas.report.markup import duration
from popnas.workflows.searching.plan import Plan, Planner
from popnas.workflows.whole.budget import MARGIN

_FEW_CHILDREN, _FEWEST_CHILDREN = 8, 2
_FEW_BLOCKS, _FEWEST_BLOCKS = 3, 2
_EPOCHS_KEPT = 1 / 3
"""Below this share of the epochs, fewer examples are taken first. Chosen, not measured."""
_MIN_EXAMPLES, _MIN_EXAMPLES_OF_CLASS = 1000, 20
"""So many training examples, and of each class, are left at least. Chosen, not measured."""
_CHILDREN, _EXPLORING = "search_strategy.max_children", "search_strategy.max_exploration_children"
_REPEATS, _RANDOM = "search_strategy.repeats", "search_strategy.random_children"
_SINGLES = "search_strategy.single_block_repeats"
_FEW_SINGLES, _FEWEST_SINGLES = 3, 2
"""In so many cells of one block every operator on every lookback stands: what `popnas init` proposes, and the
fewest that tell an operator from its other half."""
_EPOCHS, _SAMPLES = "training_hyperparameters.epochs", "dataset.samples"
_BLOCKS, _LOOKBACK = "search_space.blocks", "search_space.lookback_depth"
_WARMUP = "training_hyperparameters.optimizer.warmup"
_WIDTH, _HEIGHT = "dataset.resize.width", "dataset.resize.height"
_CROP_KEPT, _SMALLEST_CROP = 1 / 2, 64
"""Of a crop's sides so much is left, and so many pixels. What is found with 96 of CamVid's 240x180 is ahead
of known networks (`benchmarks/bench_segmentation.py`); less was not tried."""
_MOST_PLANS = 10


@dataclass(frozen=True)
class Fitted:
    """The fields that were changed, why as a sentence each (by field), and the seconds that the search is
    expected to take then, as a plan of it says; `is_within` says whether these are within the limit;
    `planned`: that plan."""

    changes: Mapping[str, JsonValue] = field(default_factory=dict)
    cuts: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    is_within: bool = True
    planned: Plan | None = None


@dataclass(frozen=True)
class _Estimate:
    """What a search takes if of the children, epochs, examples and pixels of `planned` only these shares are
    left, and its first steps to those of so many `blocks` (None: all)."""

    planned: Plan
    blocks: int | None = None
    children: float = 1.0
    epochs: float = 1.0
    examples: float = 1.0
    pixels: float = 1.0

    @property
    def seconds(self) -> float:
        """Of the whole search."""
        steps, once = self.planned.steps, self.planned.once_share
        later = sum(
            item.seconds * max(self.children, 1 / item.num_networks)
            for item in steps[2:]
            if item.num_networks and (self.blocks is None or item.step <= self.blocks)
        )
        confirmed = self.planned.confirmation_seconds * self.children  # `repeats` are cut in proportion
        trained = sum(item.seconds for item in steps[:2]) + later + confirmed
        left = trained * (once + (1 - once) * self.epochs) * self.examples * self.pixels
        return self.planned.fixed_seconds + MARGIN * left


def fit_search(
    config: RunConfig,
    hours: float,
    tell: Listen = nobody,
    planner: Planner | None = None,
    planned: Plan | None = None,
) -> Fitted:
    """Cut a search so that it is expected to end within `hours`; `planned`: the plan that `planner` has made
    of it.

    Raises:
        DataError: as the search would.
        UserError: a search that cannot be done here, however little of it.
    """
    planner = Planner() if planner is None else planner
    limit, now = hours * 3600, config
    found = planner.plan(config, tell) if planned is None else planned
    num_examples, sizes = _num_examples(config, found), crops(config)
    for _ in range(_MOST_PLANS - 1):
        if _Estimate(found).seconds <= limit:
            break
        cut = changed(now, _Cutting(now, found, limit, num_examples, sizes).cuts())
        if cut == now:
            break
        now, found = cut, planner.plan(cut, tell)
    changes, cuts = _told(config, now, num_examples)
    return Fitted(changes, cuts, found.seconds, found.seconds <= limit, found)


def _num_examples(config: RunConfig, found: Plan) -> int | None:
    """Training examples, of which `dataset.samples` may leave some; None: nothing is trained."""
    sizes = part(found.data, "sizes")
    if "train" not in sizes:
        return None
    splits = ["train"] if config.dataset.validation_size is None else ["train", "validation"]
    return sum(int(str(sizes[split])) for split in splits)


def crops(config: RunConfig) -> list[tuple[int, int]]:
    """Width and height of the crops that a search may have in place of its own, which is the last; none where
    whole images are seen, as they are or resized: fewer pixels would show less of them."""
    size = config.dataset.resize
    if size is None or not tasks.get(config.dataset.type).is_per_pixel:
        return []
    sides = size.width, size.height
    longest = max(sides)
    found = []
    for side in range(max(math.ceil(longest * _CROP_KEPT), min(longest, _SMALLEST_CROP)), longest + 1):
        width, height = (max(math.ceil(each * side / longest), min(each, _SMALLEST_CROP)) for each in sides)
        found.append((width, height))
    return found


class _Cutting:
    """One round of cutting, as far as it takes: each number as large as fits, or at its floor."""

    def __init__(
        self,
        config: RunConfig,
        found: Plan,
        limit: float,
        num_examples: int | None,
        sizes: Sequence[tuple[int, int]],
    ) -> None:
        self.config, self.limit, self.estimate = config, limit, _Estimate(found)
        self.num_singles = found.steps[1].num_networks
        size = config.dataset.resize
        self.crops = [] if size is None else [each for each in sizes if each <= (size.width, size.height)]
        self.children = config.search_strategy.max_children
        self.epochs = config.training_hyperparameters.epochs
        self.blocks = config.search_space.blocks
        self.examples = config.dataset.samples or num_examples or 0

    def cuts(self) -> dict[str, JsonValue]:
        """New values of the fields that are cut."""
        config, strategy = self.config, self.config.search_strategy
        least = max(_MIN_EXAMPLES, _MIN_EXAMPLES_OF_CLASS * (config.dataset.classes_count or 0))
        crop = self._smaller_crop()
        children = self._fewer_children(_FEW_CHILDREN)
        epochs = self._fewer_epochs(max(1, round(self.epochs * _EPOCHS_KEPT)))
        blocks = self._fewer_blocks(_FEW_BLOCKS)
        if self._is_too_long and (fewer := self._fewer_singles(blocks)):
            return {**crop, **fewer}
        examples = self._down(
            self.examples, least, lambda count: replace(self.estimate, examples=count / max(self.examples, 1))
        )
        if self._is_too_long:
            children, epochs = self._fewer_children(_FEWEST_CHILDREN), self._fewer_epochs(1)
            blocks = self._fewer_blocks(_FEWEST_BLOCKS)
        beside = {
            _EXPLORING: strategy.max_exploration_children,
            _RANDOM: strategy.random_children,
            _REPEATS: strategy.repeats,
        }
        is_least = self._is_too_long
        changes: dict[str, JsonValue] = {
            **crop,
            _BLOCKS: blocks,
            _CHILDREN: children,
            **{
                name: 0 if is_least else round(number * children / self.children)
                for name, number in beside.items()
            },
            _EPOCHS: epochs,
            _WARMUP: config.training_hyperparameters.optimizer.warmup * epochs // self.epochs,
        }
        return changes if examples == self.examples else {**changes, _SAMPLES: examples}

    @property
    def _is_too_long(self) -> bool:
        return self.estimate.seconds > self.limit

    def _smaller_crop(self) -> dict[str, JsonValue]:
        """The largest that fits. Validation sees whole images whatever it is, which the next plan tells."""
        if not self.crops:
            return {}
        pixels = [math.prod(crop) / math.prod(self.crops[-1]) for crop in self.crops]
        fits = self._down(len(pixels) - 1, 0, lambda number: replace(self.estimate, pixels=pixels[number]))
        return dict(zip((_WIDTH, _HEIGHT), self.crops[fits], strict=True))

    def _fewer_children(self, floor: int) -> int:
        return self._down(
            self.children, floor, lambda count: replace(self.estimate, children=count / self.children)
        )

    def _fewer_epochs(self, floor: int) -> int:
        return self._down(
            self.epochs, floor, lambda count: replace(self.estimate, epochs=count / self.epochs)
        )

    def _fewer_blocks(self, floor: int) -> int:
        return self._down(self.blocks, floor, lambda count: replace(self.estimate, blocks=count))

    def _fewer_singles(self, blocks: int) -> dict[str, JsonValue]:
        """What makes fewer cells of one block, of which only the next plan can tell how many are left: a
        designed part, then no lookback but the last cell, then as few as can be learnt from."""
        space, repeats = self.config.search_space, self.config.search_strategy.single_block_repeats

        def is_fewer(now: int) -> bool:
            halves = space.lookback_depth * len(space.operators)
            return (repeats == 0 or repeats > now) and halves * now / 2 < self.num_singles

        if is_fewer(_FEW_SINGLES):
            return {_BLOCKS: blocks, _SINGLES: _FEW_SINGLES}
        if space.lookback_depth > 1:
            return {_BLOCKS: blocks, _LOOKBACK: 1}
        return {_BLOCKS: blocks, _SINGLES: _FEWEST_SINGLES} if is_fewer(_FEWEST_SINGLES) else {}

    def _down(self, number: int, floor: int, with_count: Callable[[int], _Estimate]) -> int:
        """The largest number that fits, or the floor; the estimate is that of it then."""
        fits = _largest(min(floor, number), number, lambda count: with_count(count).seconds <= self.limit)
        self.estimate = with_count(fits)
        return fits


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The largest number from `low` to `high` that fits; `low` if none does. What fits, fits below, too."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _told(
    before: RunConfig, after: RunConfig, num_examples: int | None
) -> tuple[dict[str, JsonValue], dict[str, str]]:
    values: dict[str, tuple[JsonValue, JsonValue]] = {
        _BLOCKS: (before.search_space.blocks, after.search_space.blocks),
        _LOOKBACK: (before.search_space.lookback_depth, after.search_space.lookback_depth),
        _CHILDREN: (before.search_strategy.max_children, after.search_strategy.max_children),
        _EXPLORING: (
            before.search_strategy.max_exploration_children,
            after.search_strategy.max_exploration_children,
        ),
        _SINGLES: (
            before.search_strategy.single_block_repeats,
            after.search_strategy.single_block_repeats,
        ),
        _RANDOM: (before.search_strategy.random_children, after.search_strategy.random_children),
        _REPEATS: (before.search_strategy.repeats, after.search_strategy.repeats),
        _EPOCHS: (before.training_hyperparameters.epochs, after.training_hyperparameters.epochs),
        _WARMUP: (
            before.training_hyperparameters.optimizer.warmup,
            after.training_hyperparameters.optimizer.warmup,
        ),
        _SAMPLES: (before.dataset.samples, after.dataset.samples),
    }
    if before.dataset.resize is not None and after.dataset.resize is not None:
        values[_WIDTH] = before.dataset.resize.width, after.dataset.resize.width
        values[_HEIGHT] = before.dataset.resize.height, after.dataset.resize.height
    changes = {name: new for name, (old, new) in values.items() if new != old}
    every = counted(num_examples or 0, "training example")
    cuts = {
        name: f"{every if values[name][0] is None else values[name][0]} without the time limit."
        for name in changes
    }
    return changes, cuts


def words(found: Fitted, hours: float) -> str:
    """What came of it, in a sentence."""
    limit = duration(hours * 3600)
    if not found.is_within:
        return (
            f"Even the smallest search of these data is expected to take {duration(found.seconds)} here; "
            f"others.max_hours ends it after {limit}. Fewer search_space.operators make it smaller."
        )
    cut = ", ".join(f"{name} {value}" for name, value in found.changes.items())
    return f"The search is expected to take {duration(found.seconds)} here" + (
        f"; to fit into {limit} it was cut: {cut}." if cut else f", within {limit} as it is."
    )
