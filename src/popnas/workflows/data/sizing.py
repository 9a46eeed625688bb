"""What of a network and its training suits the size of the data; `size` of an input is (height, width) or
(timesteps,)."""

from __future__ import annotations

import math

STEM_FROM = 96
"""The longest side from which images get a stem: at full size the first cells take most of the time, and see
little of the image."""
_STEM = "half"
_HALVINGS = {None: 0, _STEM: 1}
_SMALLEST_FINAL_SIZE = 4

_LONG_SERIES = 512
"""From so many timesteps on networks of series bring them to a quarter."""
_STEPS, _EPOCHS = 300, (21, 60)
"""Steps that a candidate of a search is trained at least, as far as so many epochs allow."""

ENOUGH_VALIDATION = 60
"""Examples that validate in one draw, if they can be had."""
_ANSWERS, _MOST_FOLDS = 120, 5


def folds(num_validation: int) -> int:
    """How many draws of so many validation examples decide: several where one would decide by chance."""
    if num_validation >= ENOUGH_VALIDATION:
        return 1
    return min(math.ceil(_ANSWERS / num_validation), _MOST_FOLDS)


def stem(size: tuple[int, ...]) -> str | None:
    """The stem of networks for such images; series have none."""
    return _STEM if len(size) == 2 and max(size) >= STEM_FROM else None


def num_motifs(size: tuple[int, ...], *, most_reductions: int = 2) -> int:
    """A reduction for each halving behind the stem that leaves 4 positions at least."""
    smallest = min(size) >> _HALVINGS[stem(size)]
    halvings = range(1, most_reductions + 1)
    return 1 + sum(smallest >> number >= _SMALLEST_FINAL_SIZE for number in halvings)


def num_series_motifs(num_timesteps: int) -> int:
    """Long kernels see far by themselves: one reduction, of long series two."""
    return num_motifs((num_timesteps,), most_reductions=2 if num_timesteps >= _LONG_SERIES else 1)


def series_batch(num_training: int) -> int:
    """The largest usual batch of which an epoch has ten; 16 of less."""
    return next((size for size in (128, 64, 32) if 10 * size <= num_training), 16)


def series_epochs(num_training: int) -> int:
    """Epochs of a search's candidates: small data make few steps an epoch."""
    least, most = _EPOCHS
    return min(max(math.ceil(_STEPS / math.ceil(num_training / series_batch(num_training))), least), most)
