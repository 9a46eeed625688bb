"""Which architecture of NAS-Bench-201 a cell of blocks is.

**Native.** All of the benchmark, grown block by block; a cell's output is the sum of its unused blocks, every
block reads the input (-1) and earlier blocks, and `none` is an operator:

    (-1, a, -1, none)         node 1 = a(x)
    (-1, b, 0, c)             node 2 = b(x) + c(node 1)
    (-1, d, 0, e)             d(x) + e(node 1), which with node 2 unused is node 3 with a skip from node 2
    (1, f, 2, skip_connect)   node 3 = d(x) + e(node 1) + f(node 2); or with 1 and 2 exchanged

So a cell of one, two or three blocks is an architecture of the benchmark, too: one node 3 = a(x); a node 3 =
b(x) + c(node 1); one whose last edge is a skip. Step 1 trains 5, later steps grow a cell by 25, 25 and 8. A
cell of four blocks that computes what another one of at most four does (`architectures.functions`) is left
out: it grows no further. Every function of the benchmark is reached.

**Compatible** (the published mapping of POPNAS): two blocks, lookback 1, four operators, node 1 a skip of the
input. Block 0 is node 2: its halves are the edges 2<-0 and 2<-1. A second block that reads the input twice is
the edges 3<-0 and 3<-1 beside a skip from node 2; one that reads the input and block 0 is 3<-0 and 3<-2; one
that reads block 0 twice cannot be mapped. It reaches 528 architectures; cells in their canonical form, which
do not tell halves apart, reach 225 of them and the empty one.

Axes: N cells, B blocks, 4; A architectures, 6 edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from popnas.cells import Cell, SearchSpace, bulk
from popnas.cells.space import NO_BLOCK
from popnas.evaluators.nasbench201.architectures import NONE, OPERATIONS, SKIP, codes, functions

COMPATIBLE_OPERATORS = {
    "identity": "skip_connect",
    "1x1 conv": "nor_conv_1x1",
    "3x3 conv": "nor_conv_3x3",
    "3x3 avgpool": "avg_pool_3x3",
}


@dataclass(frozen=True)
class Mapping:
    """Cells (N, B, 4), canonical, of `operators` and lookback depth 1; the code of each one's architecture.

    The empty cell, an architecture without any operation, is among them.
    """

    operators: tuple[str, ...]
    cells: np.ndarray
    codes: np.ndarray

    @property
    def num_blocks(self) -> int:
        """The most that a cell has."""
        return int(self.cells.shape[1])


@cache
def native() -> Mapping:
    """All cells of the native mapping, one for every function of each step."""
    space = SearchSpace(OPERATIONS, 4, 1)
    numbers = {name: space.operators.index(name) for name in OPERATIONS}
    of = np.array([numbers[name] for name in OPERATIONS])
    none, skip = numbers["none"], numbers["skip_connect"]
    firsts = [(-1, of[a], -1, none) for a in range(5)]
    middle = [(-1, of[b], 0, of[c]) for b in range(5) for c in range(5)]
    # Either of the two blocks may be node 2: the one that is read by another operator than a skip.
    lasts = [block for f in range(5) if f != SKIP for block in ((1, of[f], 2, skip), (1, skip, 2, of[f]))]
    operation = np.argsort(of)
    found, smaller = [_wide(space, [Cell()])], list[np.ndarray]()
    grown = np.zeros((1, 0, 4), dtype=np.int16)
    for blocks in (firsts, middle, middle, lasts):
        grown = _grown(grown, np.array(blocks, dtype=np.int16))
        code_N = codes(_native_edges(grown, operation, skip))
        if blocks is lasts:
            # What grows no further need not be told apart from what computes the same.
            _, first = np.unique(functions()[code_N], return_index=True)
            known = np.concatenate([functions()[item] for item in smaller])
            grown = grown[np.sort(first[~np.isin(functions()[code_N[first]], known)])]
        smaller.append(code_N)
        wide = np.empty((len(grown), 4, 4), dtype=np.int16)
        wide[:] = NO_BLOCK
        wide[:, : grown.shape[1]] = grown
        found.append(wide)
    cells_NB4 = np.concatenate(found)
    cells_NB4 = cells_NB4[bulk.order(cells_NB4)]
    return Mapping(space.operators, cells_NB4, codes(_native_edges(cells_NB4, operation, skip)))


def _grown(parents_PB4: np.ndarray, blocks_M4: np.ndarray) -> np.ndarray:
    """Parents with each of the blocks behind them, in canonical form, each once, in order."""
    num_parents, width, _ = parents_PB4.shape
    cells = np.empty((num_parents, len(blocks_M4), width + 1, 4), dtype=np.int16)
    cells[:, :, :width] = parents_PB4[:, None]
    cells[:, :, width] = blocks_M4
    canonical = bulk.canonicalize(cells.reshape(-1, width + 1, 4))
    return canonical[bulk.unique(canonical)]


def _wide(space: SearchSpace, cells: Sequence[Cell]) -> np.ndarray:
    return space.encode(cells, space.num_blocks)


def _native_edges(cells_NB4: np.ndarray, operation: np.ndarray, skip: int) -> np.ndarray:
    """(N, 6): the architecture of cells of up to four blocks, in whatever form those of `native` are written.

    `operation`: the benchmark's number of an operator of the space.
    """
    edges_N6 = np.full((len(cells_NB4), 6), NONE, dtype=np.int8)
    for row, cell in enumerate(cells_NB4.tolist()):
        blocks = [block for block in cell if block[1] >= 0]
        if not blocks:
            continue
        # Of a block that reads the input twice one half is none; of others one half reads the input.
        (a,) = [operation[op] for op in _first_ops(blocks[0], operation)]
        pairs = [
            tuple(operation[op] for _, op in sorted([(in1, op1), (in2, op2)]))
            for in1, op1, in2, op2 in blocks[1:3]
        ]
        if len(blocks) == 1:
            edges_N6[row, 3] = a
        elif len(blocks) == 2:
            edges_N6[row] = (a, NONE, NONE, pairs[0][0], pairs[0][1], NONE)
        elif len(blocks) == 3:
            edges_N6[row] = (a, *pairs[0], *pairs[1], SKIP)
        else:
            in1, op1, in2, op2 = blocks[3]
            node2, f = (in1, op1) if op1 != skip else (in2, op2)
            other = in2 if node2 == in1 else in1
            edges_N6[row] = (a, *pairs[node2 - 1], *pairs[other - 1], operation[f])
    return edges_N6


def _first_ops(block: list[int], operation: np.ndarray) -> list[int]:
    """The operator of the first block that is not the none beside it."""
    halves = [block[1], block[3]]
    halves.sort(key=lambda op: operation[op] != NONE)
    return halves[1:]


@cache
def compatible() -> Mapping:
    """All cells of the compatible mapping."""
    space = SearchSpace(COMPATIBLE_OPERATORS, 2, 1)
    firsts = space.new_blocks(1)[:, None]
    grown = bulk.expand(firsts, space).canonical
    is_mapped = ~((grown[:, 1, 0] == 0) & (grown[:, 1, 2] == 0))
    cells = [Cell(), *space.decode(firsts), *space.decode(grown[is_mapped])]
    cells_NB4 = _wide(space, cells)
    cells_NB4 = cells_NB4[bulk.order(cells_NB4)]
    return Mapping(space.operators, cells_NB4, codes(_compatible_edges(cells_NB4, space.operators)))


def _compatible_edges(cells_NB4: np.ndarray, operators: Sequence[str]) -> np.ndarray:
    number = [OPERATIONS.index(COMPATIBLE_OPERATORS[name]) for name in operators]
    edges_N6 = np.full((len(cells_NB4), 6), NONE, dtype=np.int8)
    for row, cell in enumerate(cells_NB4.tolist()):
        blocks = [block for block in cell if block[1] >= 0]
        if not blocks:
            continue
        edges_N6[row] = (SKIP, number[blocks[0][1]], number[blocks[0][3]], NONE, NONE, SKIP)
        if len(blocks) == 2:
            in1, op1, in2, op2 = blocks[1]
            if in1 == in2:
                edges_N6[row, 3:5] = (number[op1], number[op2])
            else:
                edges_N6[row, [3, 5]] = (number[op1], number[op2])
    return edges_N6


@cache
def compatible_reach() -> np.ndarray:
    """(528,) codes of all architectures that the published mapping can write, halves told apart."""
    found = []
    used = [OPERATIONS.index(name) for name in COMPATIBLE_OPERATORS.values()]
    for one in used:
        for other in used:
            node2 = (SKIP, one, other)
            found.append((*node2, NONE, NONE, SKIP))
            for p in used:
                for q in used:
                    found += [(*node2, p, q, SKIP), (*node2, p, NONE, q)]
    return np.unique(codes(np.array(found, dtype=np.int8)))
