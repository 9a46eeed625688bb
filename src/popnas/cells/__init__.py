"""Cells as data: Block and Cell, their text and canonical forms, the search space, arrays of cells in bulk.

May import numpy and `popnas.errors` only; never torch. A `Cell` is for single cells (text, networks,
reports); hundreds of thousands of candidates live as (N, blocks, 4) int16 arrays `[in1, op1, in2, op2]`
(`popnas.cells.bulk`) whose operator numbers are the positions in `SearchSpace.operators`. To add a figure
about a cell, put the single form on `Cell` and the array form in `bulk/structure.py`, and let a test compare
them.
"""

from popnas.cells.cell import Block, Cell
from popnas.cells.space import SearchSpace

__all__ = ["Block", "Cell", "SearchSpace"]
