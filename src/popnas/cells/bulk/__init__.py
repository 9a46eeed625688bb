"""Cells in bulk: whole arrays (N, blocks, 4) int16 at once, never a Python object per candidate.

`canonicalize` agrees with `Cell.canonical`, `order` with `Cell.sort_key`; `expand` grows parents by every new
block and drops equivalents; `structure` says what of a cell is used. Numpy only. An array's operator numbers
and lookbacks are those of one `SearchSpace`; blocks that a cell lacks stand at its end as `[0, -1, 0, -1]`.
"""

from popnas.cells.bulk.expansion import Expansion, expand
from popnas.cells.bulk.numbering import canonicalize
from popnas.cells.bulk.ordering import are_among, as_bytes, order, unique
from popnas.cells.bulk.structure import depth, nearest_lookback, num_blocks, unused_blocks, used_lookbacks

__all__ = [
    "Expansion",
    "are_among",
    "as_bytes",
    "canonicalize",
    "depth",
    "expand",
    "nearest_lookback",
    "num_blocks",
    "order",
    "unique",
    "unused_blocks",
    "used_lookbacks",
]
