"""What a cell's graph holds, as counts: paths, and the operators on them.

A path leads from a lookback to the cell's output, which joins the blocks that no other reads. An operator
that passes its input on (`identity`) does not count on it, and one that gives zeros ends it, so that cells
that compute the same differ less. Counts are sums, largest and smallest of whole numbers: equal to the last
bit for equivalent cells.

In bulk a block's counts are made of those of what it reads, and siblings share all of their parent's: a child
is two halves of its new block, of which there are few, and the rest of its output, of which there are few,
too.

Axes: N cells, n of a chunk, P parents, B blocks, O operators, L lookbacks, K counts of a block (first those
that add up, then the most and the least of each operator on a path), F columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from popnas.cells import SearchSpace, bulk
from popnas.predictors._families import families

_CHUNK = 4096
_PARENTS = 64
_MOST_ON_PATH = 3  # of one operator; more count as so many
_NEVER = 99.0
_SHAPE = ("blocks", "outputs", "paths", "longest path", "shortest path")


@dataclass(frozen=True)
class GraphCounts:
    """Makes the counts of cells of a space.

    `passing`, `zero`: names of the operators that pass their input on, and that give zeros.
    """

    space: SearchSpace
    passing: frozenset[str] = frozenset()
    zero: frozenset[str] = frozenset()

    def names(self) -> list[str]:
        """The F columns, in order."""
        operators = self.space.operators
        lookbacks = [f"lookback {-number}" for number in range(1, self.space.lookback_depth + 1)]
        counts = ("no", "one", "two", "more")
        return [
            *(f"paths of {length} operators" for length in range(self.space.num_blocks + 1)),
            *(f"paths with {count} {name}" for name in operators for count in counts),
            *(f"paths from {name} to {then}" for name in (*operators, *lookbacks) for then in operators),
            *(f"paths that end with {name}" for name in (*operators, *lookbacks)),
            *(f"most {name} on a path" for name in operators),
            *(f"least {name} on a path" for name in operators),
            *_SHAPE,
        ]

    def table(self, cells_NB4: np.ndarray) -> np.ndarray:
        """All counts, (N, F) float32; for few cells."""
        columns = np.arange(len(self.names()))
        counts_NF = np.empty((len(cells_NB4), len(columns)), dtype=np.float32)
        for rows, part in self.chunks(cells_NB4, columns):
            counts_NF[rows] = part
        return counts_NF

    def chunks(
        self, cells_NB4: np.ndarray, columns: np.ndarray, parents: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows (n,) of `cells_NB4` and some columns of their counts (n, len(columns)) float32, so that many
        cells need little memory; `parents` as in `Predictor.predict`."""
        layout = _Layout(self)
        for num_blocks, rows, family in families(cells_NB4, parents, _PARENTS):
            if num_blocks == 0:
                yield rows, np.repeat(layout.empty()[columns][None], len(rows), axis=0)
                continue
            counted = _CountedFamily(layout, family.parents, family.new, family.parent)
            for start in range(0, len(rows), _CHUNK):
                chunk = slice(start, start + _CHUNK)
                yield rows[chunk], counted.counts(chunk, columns)


class _Layout:
    """Where each kind of count stands among the K, and how an operator changes them."""

    def __init__(self, made: GraphCounts) -> None:
        space = made.space
        self.num_operators, self.num_lookbacks = space.num_operators, space.lookback_depth
        self.num_lengths = space.num_blocks + 1
        sources = self.num_operators + self.num_lookbacks
        widths = (
            self.num_lengths,
            self.num_operators * (_MOST_ON_PATH + 1),
            sources * self.num_operators,
            sources,
            self.num_operators,
            self.num_operators,
        )
        ends = np.cumsum(widths).tolist()
        starts = [0, *ends[:-1]]
        names = ("lengths", "times", "followers", "last", "most", "least")
        self.part = {name: slice(*ends) for name, *ends in zip(names, starts, ends, strict=True)}
        self.num_counts, self.num_sums = ends[-1], ends[3]
        self.is_passing = np.array([name in made.passing for name in space.operators])
        self.is_zero = np.array([name in made.zero for name in space.operators])
        # Whole numbers add up without rounding as far as the type holds them all: 2 ** blocks paths.
        self.dtype = np.dtype(np.float32 if space.num_blocks <= 20 else np.float64)

    def nothing(self, number: int) -> np.ndarray:
        """(number, K): no path."""
        counts = np.zeros((number, self.num_counts), dtype=self.dtype)
        counts[:, self.part["most"]] = -_NEVER
        counts[:, self.part["least"]] = _NEVER
        return counts

    def lookbacks(self) -> np.ndarray:
        """(L, K): the path of no operator that begins at each lookback, -1 first."""
        counts = self.nothing(self.num_lookbacks)
        counts[:, self.part["lengths"].start] = 1
        counts[:, self.part["times"]].reshape(self.num_lookbacks, self.num_operators, -1)[:, :, 0] = 1
        first = self.part["last"].start + self.num_operators
        counts[np.arange(self.num_lookbacks), first + np.arange(self.num_lookbacks)] = 1
        counts[:, self.part["most"]] = counts[:, self.part["least"]] = 0
        return counts

    def after(self, sources_HK: np.ndarray, operator_H: np.ndarray) -> np.ndarray:
        """(H, K): the paths of what halves read, with each half's operator behind them."""
        counts_HK = sources_HK.copy()
        for operator in np.unique(operator_H).tolist():
            rows = operator_H == operator
            if self.is_zero[operator]:
                counts_HK[rows] = self.nothing(1)
            elif not self.is_passing[operator]:
                counts_HK[rows] = self._behind(counts_HK[rows], operator)
        return counts_HK

    def _behind(self, counts_HK: np.ndarray, operator: int) -> np.ndarray:
        """All of them with the same operator behind."""
        lengths_HC = counts_HK[:, self.part["lengths"]]
        lengths_HC[:, 1:] = lengths_HC[:, :-1].copy()
        lengths_HC[:, 0] = 0
        times = self.part["times"].start + operator * (_MOST_ON_PATH + 1)
        times_HC = counts_HK[:, times : times + _MOST_ON_PATH + 1]
        times_HC[:, -1] += times_HC[:, -2]
        times_HC[:, 1:-1] = times_HC[:, :-2].copy()
        times_HC[:, 0] = 0
        last_HS = counts_HK[:, self.part["last"]]
        start, stop = self.part["followers"].start, self.part["followers"].stop
        counts_HK[:, start + operator : stop : self.num_operators] += last_HS
        paths_H = last_HS.sum(axis=1)
        last_HS[:] = 0
        last_HS[:, operator] = paths_H
        for name in ("most", "least"):
            counts_HK[:, self.part[name].start + operator] += paths_H > 0
        return counts_HK

    def join(self, into: np.ndarray, other: np.ndarray) -> None:
        """Put the paths of `other` (..., K) to those of `into`, in place."""
        most, least = self.part["most"], self.part["least"]
        into[..., : self.num_sums] += other[..., : self.num_sums]
        np.maximum(into[..., most], other[..., most], out=into[..., most])
        np.minimum(into[..., least], other[..., least], out=into[..., least])

    def empty(self) -> np.ndarray:
        """(F,): the columns of the empty cell."""
        return self.finished(self.nothing(1), np.zeros((1, 2)), np.arange(self.num_counts + len(_SHAPE)))[0]

    def finished(self, counts_nK: np.ndarray, shape_n2: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Columns of cells (n, len(columns)) float32: `shape_n2` is blocks and outputs."""
        lengths_nC = counts_nK[:, self.part["lengths"]]
        has_path_n1 = lengths_nC.any(axis=1, keepdims=True)
        extremes = slice(self.part["most"].start, self.part["least"].stop)
        counts_nK[:, extremes] = np.where(has_path_n1, counts_nK[:, extremes], -1)
        steps = np.arange(self.num_lengths)
        shape = (
            shape_n2,
            lengths_nC.sum(axis=1, keepdims=True),
            np.where(lengths_nC > 0, steps, -1).max(axis=1, keepdims=True),
            np.where(lengths_nC > 0, steps, self.num_lengths).min(axis=1, keepdims=True),
        )
        return np.concatenate([counts_nK, *shape], axis=1, dtype=np.float32, casting="same_kind")[:, columns]


class _CountedFamily:
    """Some parents of equal length (P, B, 4), all their children's last blocks (N, 4), whose parent is
    `parent_N`."""

    def __init__(
        self, layout: _Layout, parents_PB4: np.ndarray, new_N4: np.ndarray, parent_N: np.ndarray
    ) -> None:
        self.layout, self.parents_PB4 = layout, parents_PB4.astype(np.int64)
        self.new_N4, self.parent_N = new_N4.astype(np.int64), parent_N
        self.num_parents, self.num_old = parents_PB4.shape[:2]
        self.num_inputs = layout.num_lookbacks + self.num_old
        self._count_parents()
        self._count_halves()
        self._count_rests()

    def _count_parents(self) -> None:
        """The paths that end with each input of the new block: (P, L + B, K), as inputs are numbered."""
        layout = self.layout
        self.inputs_PIK = layout.nothing(self.num_parents * self.num_inputs).reshape(
            self.num_parents, self.num_inputs, -1
        )
        self.inputs_PIK[:, : layout.num_lookbacks] = layout.lookbacks()[::-1]
        parent_P = np.arange(self.num_parents)
        for b in range(self.num_old):
            into = self.inputs_PIK[:, layout.num_lookbacks + b]
            for half in (0, 2):
                block_P4 = self.parents_PB4[:, b]
                sources = self.inputs_PIK[parent_P, block_P4[:, half] + layout.num_lookbacks]
                layout.join(into, layout.after(sources, block_P4[:, half + 1]))

    def _count_halves(self) -> None:
        """The paths of each half (parent, input, operator) of a new block that occurs."""
        operators, inputs = self.new_N4[:, 1::2], self.new_N4[:, 0::2] + self.layout.num_lookbacks
        keys_N2 = (self.parent_N[:, None] * self.num_inputs + inputs) * self.layout.num_operators + operators
        keys_H, half_N2 = np.unique(keys_N2, return_inverse=True)
        source_H, operator_H = np.divmod(keys_H, self.layout.num_operators)
        sources = self.inputs_PIK.reshape(-1, self.layout.num_counts)[source_H]
        self.halves_HK, self.half_N2 = self.layout.after(sources, operator_H), half_N2.reshape(-1, 2)

    def _count_rests(self) -> None:
        """The paths that end at other outputs than the new block, for each (parent, inputs) that occurs."""
        inputs_N2 = np.sort(self.new_N4[:, 0::2] + self.layout.num_lookbacks, axis=1)
        keys_N = (self.parent_N * self.num_inputs + inputs_N2[:, 0]) * self.num_inputs + inputs_N2[:, 1]
        keys_R, self.rest_N = np.unique(keys_N, return_inverse=True)
        parent_R, pair_R = np.divmod(keys_R, self.num_inputs**2)
        is_unread_RB = bulk.unused_blocks(self.parents_PB4)[parent_R]
        for read_R in np.divmod(pair_R, self.num_inputs):
            rows = np.flatnonzero(read_R >= self.layout.num_lookbacks)
            is_unread_RB[rows, read_R[rows] - self.layout.num_lookbacks] = False
        self.rests_RK = self.layout.nothing(len(keys_R))
        for b in range(self.num_old):
            rows = is_unread_RB[:, b]
            into = self.rests_RK[rows]
            self.layout.join(into, self.inputs_PIK[parent_R[rows], self.layout.num_lookbacks + b])
            self.rests_RK[rows] = into
        self.outputs_R = is_unread_RB.sum(axis=1) + 1

    @cached_property
    def shape_by_rest(self) -> np.ndarray:
        """Blocks and outputs of cells, by the rest of their output."""
        return np.stack([np.full(len(self.outputs_R), self.num_old + 1), self.outputs_R], axis=1)

    def counts(self, chunk: slice, columns: np.ndarray) -> np.ndarray:
        """Some columns of some children: (n, len(columns)) float32."""
        rest_n, half_n2 = self.rest_N[chunk], self.half_N2[chunk]
        counts_nK = self.rests_RK[rest_n]
        for half in (0, 1):
            self.layout.join(counts_nK, self.halves_HK[half_n2[:, half]])
        return self.layout.finished(counts_nK, self.shape_by_rest[rest_n], columns)
