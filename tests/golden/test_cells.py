"""Counts of blocks and equivalence against figures of an independent implementation."""

import json
import os
from pathlib import Path

import pytest

from popnas.cells import Cell, SearchSpace, bulk

GOLDEN = Path(os.environ.get("POPNAS_SHARED", "../shared")) / "golden"

# (lookback depth, operators): distinct new blocks at b = 1..5.
BLOCK_COUNTS = {
    (1, 2): [3, 10, 21, 36, 55],
    (1, 12): [78, 300, 666, 1176, 1830],
    (2, 5): [55, 120, 210, 325, 465],
    (2, 12): [300, 666, 1176, 1830, 2628],
    (2, 17): [595, 1326, 2346, 3655, 5253],
    (3, 3): [45, 78, 120, 171, 231],
}

EQUIVALENCE = [
    (
        "[(-2, 3x3 dconv, -2, 7x7 dconv);(-1, identity, 0, 5x5 conv)]",
        "[(-2, 1x5-5x1 conv, -1, 3x3 dconv);(-2, 5x5 dconv, -1, 5x5 conv)]",
        False,
    ),
    ("[(-1, a, -1, a);(-1, a, -1, a);(0, b, -1, c)]", "[(-1, a, -1, a);(-1, a, -1, a);(-1, c, 1, b)]", True),
    ("[(-1, a, -1, a);(-1, a, -1, a);(0, b, 1, c)]", "[(-1, a, -1, a);(-1, a, -1, a);(0, b, 0, c)]", False),
]


def counts(depth, num_operators):
    space = SearchSpace([f"{index} op" for index in range(num_operators)], 5, depth)
    return [space.count_new_blocks(step) for step in range(1, 6)]


def check_equivalence(pairs):
    cells = [(Cell.parse(first), Cell.parse(second)) for first, second, _ in pairs]
    space = SearchSpace.covering([cell for pair in cells for cell in pair])
    firsts, seconds = (
        bulk.canonicalize(space.encode([pair[side] for pair in cells], space.num_blocks)) for side in (0, 1)
    )
    for index, (first, second, is_equivalent) in enumerate(pairs):
        assert cells[index][0].is_equivalent(cells[index][1]) == is_equivalent, (first, second)
        assert (firsts[index] == seconds[index]).all() == is_equivalent, (first, second)


def golden(name):
    path = GOLDEN / name
    if not path.exists():
        pytest.skip(f"no {name} under POPNAS_SHARED")
    return path.read_text()


@pytest.mark.parametrize("key", BLOCK_COUNTS)
def test_block_counts(key):
    assert counts(*key) == BLOCK_COUNTS[key]


def test_equivalence():
    check_equivalence(EQUIVALENCE)


def test_all_block_counts():
    for record in json.loads(golden("block_counts.json")):
        assert counts(record["lookback"], record["operators"]) == record["blocks_b1_to_b5"], record


def test_all_equivalences():
    lines = [json.loads(line) for line in golden("equivalence.jsonl").splitlines()]
    assert any(line["equivalent"] for line in lines)
    check_equivalence([(line["a"], line["b"], line["equivalent"]) for line in lines])
