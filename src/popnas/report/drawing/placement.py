"""Where the items of a layered graph stand: the order within each layer, and positions along it.

A compact form of Sugiyama, Tagawa and Toda (1981): barycentre sweeps against crossings, then positions by
least squares under the order (pool adjacent violators).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

Neighbours = Mapping[str, Sequence[str]]
_NUM_SWEEPS = 8


def order_layers(layers: list[list[str]], above: Neighbours, below: Neighbours) -> list[list[str]]:
    """The items of every layer from left to right, with few crossings.

    `above` and `below` give each item's neighbours in the layers directly above and below.
    """
    best, fewest = layers, _num_crossings(layers, below)
    current = layers
    for sweep in range(_NUM_SWEEPS):
        if fewest == 0:
            break
        current = _sweep(current, above, below, is_downward=sweep % 2 == 0)
        crossings = _num_crossings(current, below)
        if crossings < fewest:
            best, fewest = current, crossings
    return best


def positions(
    layers: Sequence[Sequence[str]],
    widths: Mapping[str, float],
    neighbours: Neighbours,
    gap: float,
) -> dict[str, float]:
    """The centre of every item along its layer: near its neighbours, never nearer than `gap` to the next."""
    centres: dict[str, float] = {}
    for layer in layers:
        total = sum(widths[item] for item in layer) + gap * (len(layer) - 1)
        edge = -total / 2
        for item in layer:
            centres[item] = edge + widths[item] / 2
            edge += widths[item] + gap
    for sweep in range(2 * _NUM_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = [_mean([centres[other] for other in neighbours[item]], centres[item]) for item in layer]
            distances = [
                (widths[left] + widths[right]) / 2 + gap for left, right in itertools.pairwise(layer)
            ]
            centres.update(zip(layer, _spread(wanted, distances), strict=True))
    return centres


def _sweep(
    layers: list[list[str]], above: Neighbours, below: Neighbours, *, is_downward: bool
) -> list[list[str]]:
    result = [list(layer) for layer in layers]
    side = above if is_downward else below
    pairs = [(index, index - 1) for index in range(1, len(layers))]
    if not is_downward:
        pairs = [(index, index + 1) for index in range(len(layers) - 2, -1, -1)]
    for index, fixed in pairs:
        places = {item: float(place) for place, item in enumerate(result[fixed])}
        old = {item: float(place) for place, item in enumerate(result[index])}
        result[index].sort(key=lambda item: _mean([places[other] for other in side[item]], old[item]))
    return result


def _num_crossings(layers: Sequence[Sequence[str]], below: Neighbours) -> int:
    count = 0
    for upper, lower in itertools.pairwise(layers):
        places = {item: place for place, item in enumerate(lower)}
        ends = [sorted(places[other] for other in below[item]) for item in upper]
        for left in range(len(ends)):
            for right in range(left + 1, len(ends)):
                count += sum(first > second for first in ends[left] for second in ends[right])
    return count


def _spread(wanted: Sequence[float], distances: Sequence[float]) -> list[float]:
    """The positions nearest to `wanted` (least squares) whose gaps are at least `distances`."""
    offsets = [0.0]
    for distance in distances:
        offsets.append(offsets[-1] + distance)
    pools: list[tuple[float, int]] = []  # (mean, members), means increasing
    for value, offset in zip(wanted, offsets, strict=True):
        mean, members = value - offset, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean = (mean * members + before * count) / (members + count)
            members += count
        pools.append((mean, members))
    starts = [mean for mean, members in pools for _ in range(members)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
