"""The canonical form of one cell: the smallest of all lists of blocks that describe it.

Two cells are equivalent when a renumbering of blocks and swaps of halves turn one into the other. The
canonical form is found greedily: of the blocks whose inputs are numbered already, the next is the one that
reads as the smallest tuple, its smaller half first. Only twins (blocks that read the same) leave a choice,
and it matters where different blocks read them: there the search branches, and the smallest list wins.

A hash of what a block computes would not do: it merges twins, one of which may feed a third block while the
other is an output. `popnas.cells.bulk` does the same for arrays of cells.
"""

from __future__ import annotations

from collections.abc import Sequence

Fields = tuple[int, str, int, str]


class _Numbering:
    """A partial numbering: the new number of each block numbered so far, and the blocks in that order."""

    def __init__(self, blocks: Sequence[Fields]) -> None:
        self.blocks = blocks
        self.numbers: dict[int, int] = {}
        self.sequence: list[Fields] = []

    def copy(self) -> _Numbering:
        copied = _Numbering(self.blocks)
        copied.numbers, copied.sequence = dict(self.numbers), list(self.sequence)
        return copied

    def with_next(self, index: int) -> _Numbering:
        copied = self.copy()
        copied.take(index)
        return copied

    @property
    def is_complete(self) -> bool:
        return len(self.sequence) == len(self.blocks)

    def take(self, index: int) -> None:
        self.sequence.append(self.renumbered(index))
        self.numbers[index] = len(self.numbers)

    def renumbered(self, index: int) -> Fields:
        in1, op1, in2, op2 = self.blocks[index]
        half1 = (in1 if in1 < 0 else self.numbers[in1], op1)
        half2 = (in2 if in2 < 0 else self.numbers[in2], op2)
        return half1 + half2 if half1 <= half2 else half2 + half1

    def next_choices(self) -> list[int]:
        """The blocks that may come next: one, or the twins that read as the same smallest tuple."""
        ready = [
            (self.renumbered(index), index)
            for index, (in1, _, in2, _) in enumerate(self.blocks)
            if index not in self.numbers
            and (in1 < 0 or in1 in self.numbers)
            and (in2 < 0 or in2 in self.numbers)
        ]
        smallest = min(ready)[0]
        return [index for fields, index in ready if fields == smallest]

    def completed(self) -> tuple[Fields, ...]:
        """The list that results from always taking the first choice."""
        path = self.copy()
        while not path.is_complete:
            path.take(path.next_choices()[0])
        return tuple(path.sequence)


def canonical_blocks(blocks: Sequence[Fields]) -> tuple[Fields, ...]:
    """The blocks in canonical order, renumbered, each with its smaller half first."""
    return _smallest(_Numbering(blocks))


def _smallest(path: _Numbering) -> tuple[Fields, ...]:
    """The smallest completion of a partial numbering (which is consumed)."""
    while not path.is_complete:
        choices = path.next_choices()
        if len(choices) > 1:
            return min(_smallest(branch) for branch in _distinct(path, choices))
        path.take(choices[0])
    return tuple(path.sequence)


def _distinct(path: _Numbering, twins: list[int]) -> list[_Numbering]:
    """A branch per twin, without twins that can be exchanged for an earlier one.

    Two branches that complete to the same list are images of each other: matching the blocks at equal places
    maps the cell onto itself, keeps what was numbered before, and takes one twin to the other. So ten equal
    blocks cost ten paths, not 10!.
    """
    branches: dict[tuple[Fields, ...], _Numbering] = {}
    for twin in twins:
        branch = path.with_next(twin)
        branches.setdefault(branch.completed(), branch)
    return list(branches.values())
