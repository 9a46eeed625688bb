"""Gradient boosting of oblivious decision trees, for few rows to learn from and very many to predict.

A tree asks the same question in all nodes of a level (Kohavi and Li, 1995; boosted: Prokhorenkova et al.,
2018), so that a row's leaf is a number of as many bits as it has levels: looking up 378,432 rows in 1,000
trees of depth 4 takes two seconds where trees of nodes take ten. Rows and columns are sampled for each tree
(Friedman, 2002).

Targets and leaves lie on a grid, so that sums over rows have no rounding: the same data and seed give the
same trees on every machine, whatever the order in which they are added.

Axes: N rows, F columns, C questions (a column is above a threshold), D levels, T trees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_GRID = 2.0**-30


@dataclass(frozen=True)
class BoostingSettings:
    """How trees are grown.

    In trials (NAS-Bench-201, 156 to learn from) ranks hardly moved between 3 and 5 levels, shares of columns
    of 0.3 and 0.6, and penalties of 0.3 to 3; they fell with half the trees at twice the rate.
    """

    trees: int = 200
    rate: float = 0.07
    levels: int = 4  # at most: a leaf's number has to fit into a byte, with that of another tree
    share_of_rows: float = 0.7
    share_of_columns: float = 0.5
    penalty: float = 1.0
    most_thresholds: int = 15


@dataclass(frozen=True)
class Trees:
    """Trees that were grown.

    `base`: the mean that they add to; `columns`, `thresholds` (C,): the questions that any asks; `asked`
    (T, D): which, the first level most significant; `values` (T, 2 ** D): what each leaf adds.
    """

    base: float
    columns: np.ndarray
    thresholds: np.ndarray
    asked: np.ndarray
    values: np.ndarray

    @cached_property
    def used_columns(self) -> np.ndarray:
        """Those of a table's columns that matter, ascending."""
        return np.unique(self.columns)

    @cached_property
    def _places(self) -> np.ndarray:
        return np.searchsorted(self.used_columns, self.columns)

    @cached_property
    def _pairs(self) -> list[tuple[list[int], np.ndarray]]:
        """Two trees at a time as one of twice the levels: half as many values to look up."""
        num_pairs = len(self.asked) // 2
        num_trees = 2 * num_pairs
        asked = self.asked[:num_trees].reshape(num_pairs, 2 * self.asked.shape[1])
        values = self.values[:num_trees:2, :, None] + self.values[1:num_trees:2, None, :]
        values = values.reshape(num_pairs, self.values.shape[1] ** 2)
        single = zip(self.asked[num_trees:].tolist(), self.values[num_trees:], strict=True)
        return [*zip(asked.tolist(), values, strict=True), *single]

    def predict(self, used_NU: np.ndarray) -> np.ndarray:
        """(N,) float64 of the `used_columns` of some rows; each as it would be alone."""
        rows_UN = np.ascontiguousarray(used_NU.T)
        answers_CN = (rows_UN[self._places] > self.thresholds[:, None]).view(np.uint8)
        total_N = np.full(len(used_NU), self.base)
        leaf_N, value_N = np.empty(len(used_NU), dtype=np.uint8), np.empty(len(used_NU))
        for asked, values in self._pairs:
            leaf_N[:] = answers_CN[asked[0]]
            for question in asked[1:]:
                np.add(leaf_N, leaf_N, out=leaf_N)
                np.add(leaf_N, answers_CN[question], out=leaf_N)
            np.take(values, leaf_N, out=value_N, mode="clip")
            total_N += value_N
        return total_N


def grow(table_NF: np.ndarray, targets_N: np.ndarray, settings: BoostingSettings, seed: int) -> Trees:
    """Boost trees for the squared error, from targets whose deviation is about 1."""
    rng = np.random.default_rng(seed)
    columns, thresholds = _questions(table_NF, settings.most_thresholds)
    targets_N = _on_grid(np.asarray(targets_N, dtype=np.float64))
    base = float(_on_grid(targets_N.sum() / len(targets_N)))
    if not len(columns):
        nothing = np.zeros((0, settings.levels), dtype=np.int64)
        return Trees(base, columns, thresholds, nothing, np.zeros((0, 2**settings.levels)))
    answers_NC = (table_NF[:, columns] > thresholds).astype(np.float64)
    predicted_N = np.full(len(targets_N), base)
    distinct, places_C = np.unique(columns, return_inverse=True)
    asked, values = [], []
    for _ in range(settings.trees):
        residual_N = targets_N - predicted_N
        is_seen_N = (rng.random(len(targets_N)) < settings.share_of_rows).astype(np.float64)
        choices = _some(places_C, len(distinct), settings.share_of_columns, rng)
        questions, leaf_N = _tree(answers_NC, choices, residual_N * is_seen_N, is_seen_N, settings)
        sums = np.bincount(leaf_N, residual_N * is_seen_N, 2**settings.levels)
        counts = np.bincount(leaf_N, is_seen_N, 2**settings.levels)
        values.append(_on_grid(settings.rate * sums / (counts + settings.penalty)))
        predicted_N += values[-1][leaf_N]
        asked.append(questions)
    used, place = np.unique(np.array(asked), return_inverse=True)
    return Trees(
        base, columns[used], thresholds[used], place.reshape(len(asked), settings.levels), np.array(values)
    )


def _on_grid(values: np.ndarray) -> np.ndarray:
    return np.round(values / _GRID) * _GRID


def _questions(table_NF: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and thresholds (C,) of all questions that divide the rows differently."""
    found = [
        (column, value)
        for column in range(table_NF.shape[1])
        for value in _between(table_NF[:, column], most)
    ]
    if not found:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    columns = np.array([column for column, _ in found])
    thresholds = np.array([value for _, value in found])
    bits = np.packbits(table_NF[:, columns] > thresholds, axis=0).T
    _, first = np.unique(bits, axis=0, return_index=True)
    first.sort()
    return columns[first], thresholds[first]


def _between(values_N: np.ndarray, most: int) -> Iterator[float]:
    """Thresholds between neighbouring values, the middle ones of so many equal parts where there are more."""
    distinct = np.unique(values_N).astype(np.float64)
    if len(distinct) - 1 > most:
        places = np.linspace(0, 1, most + 2)[1:-1]
        below = np.unique(np.quantile(values_N, places, method="lower")).astype(np.float64)
        after = np.minimum(np.searchsorted(distinct, below) + 1, len(distinct) - 1)
        yield from ((below + distinct[after]) / 2).tolist()
    else:
        yield from ((distinct[:-1] + distinct[1:]) / 2).tolist()


def _some(places_C: np.ndarray, num_columns: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """The questions about a sample of the columns; `places_C`: the column of each among those asked about."""
    is_drawn = np.zeros(num_columns, dtype=bool)
    is_drawn[rng.choice(num_columns, max(1, round(num_columns * share)), replace=False)] = True
    return np.flatnonzero(is_drawn[places_C])


def _tree(
    answers_NC: np.ndarray,
    choices: np.ndarray,
    residual_N: np.ndarray,
    weight_N: np.ndarray,
    settings: BoostingSettings,
) -> tuple[list[int], np.ndarray]:
    """The questions that divide residuals best, one after the other, and each row's leaf."""
    offered_NC = answers_NC[:, choices]
    rows, leaf_N = np.arange(len(residual_N)), np.zeros(len(residual_N), dtype=np.int64)
    asked = []
    for level in range(settings.levels):
        num_leaves = 1 << level
        by_leaf = np.zeros((2 * num_leaves, len(rows)))
        by_leaf[leaf_N, rows], by_leaf[num_leaves + leaf_N, rows] = residual_N, weight_N
        yes, all_1 = by_leaf @ offered_NC, by_leaf.sum(axis=1, keepdims=True)
        gain_C = np.zeros(len(choices))
        for sums, counts in (
            (yes[:num_leaves], yes[num_leaves:]),
            (all_1[:num_leaves] - yes[:num_leaves], all_1[num_leaves:] - yes[num_leaves:]),
        ):
            gain_C += (np.square(sums) / (counts + settings.penalty)).sum(axis=0)
        asked.append(int(choices[gain_C.argmax()]))
        leaf_N = 2 * leaf_N + answers_NC[:, asked[-1]].astype(np.int64)
    return asked, leaf_N
