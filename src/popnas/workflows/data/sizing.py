"""What of a network suits the size of its input; `size` is (height, width) or (timesteps,)."""

from __future__ import annotations

STEM_FROM = 96
"""The longest side from which images get a stem: at full size the first cells take most of the time, and see
little of the image."""
_STEM = "half"
_HALVINGS = {None: 0, _STEM: 1}
_SMALLEST_FINAL_SIZE = 4


def stem(size: tuple[int, ...]) -> str | None:
    """The stem of networks for such images; series have none."""
    return _STEM if len(size) == 2 and max(size) >= STEM_FROM else None


def num_motifs(size: tuple[int, ...], *, most_reductions: int = 2) -> int:
    """A reduction for each halving behind the stem that leaves 4 positions at least."""
    smallest = min(size) >> _HALVINGS[stem(size)]
    halvings = range(1, most_reductions + 1)
    return 1 + sum(smallest >> number >= _SMALLEST_FINAL_SIZE for number in halvings)
