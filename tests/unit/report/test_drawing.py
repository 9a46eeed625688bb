from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.cells import Block, Cell, SearchSpace
from popnas.errors import UserError
from popnas.report.drawing import dot_text, draw_cell, lay_out, svg_text
from popnas.report.drawing.families import colour, tint
from popnas.report.drawing.layout import Box, Layout

SPACE = SearchSpace(["identity", "1x7-7x1 conv", "3x3 dconv", "8h cvt", "SE"], 5, 3)
SEEDS = st.integers(0, 2**32 - 1)


def random_cell(seed: int, blocks: int = 5) -> Cell:
    return SPACE.decode(SPACE.random_cells(1, blocks, np.random.default_rng(seed)))[0]


def overlap(first: Box, second: Box) -> bool:
    return (
        abs(first.x - second.x) < (first.width + second.width) / 2 - 1e-6
        and abs(first.y - second.y) < (first.height + second.height) / 2 - 1e-6
    )


def points_of(layout: Layout) -> list[tuple[float, float]]:
    return [point for line in layout.lines for point in line.points]


@given(SEEDS, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_boxes_do_not_overlap_and_all_is_inside(seed: int, blocks: int) -> None:
    layout = lay_out(random_cell(seed, blocks))
    frames = [box for box in layout.boxes if box.kind == "frame"]
    others = [box for box in layout.boxes if box.kind != "frame"]
    outside = [box for box in others if box.kind in ("lookback", "output")]
    for group in (frames + outside, others):
        for place, box in enumerate(group):
            assert not any(overlap(box, other) for other in group[place + 1 :])
    for box in layout.boxes:
        assert box.x - box.width / 2 >= 0 and box.x + box.width / 2 <= layout.width
        assert box.y - box.height / 2 >= 0 and box.y + box.height / 2 <= layout.height
    assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in points_of(layout))


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_no_lane_runs_through_a_block(seed: int) -> None:
    layout = lay_out(random_cell(seed))
    frames = [box for box in layout.boxes if box.kind == "frame"]
    for line in layout.lines:
        for (x, y), (_, end) in zip(line.points, line.points[1:], strict=False):
            middle = (y + end) / 2
            if end - y > 60:  # the vertical part of a lane, as high as a block
                assert not any(
                    abs(frame.x - x) < frame.width / 2 and abs(frame.y - middle) < frame.height / 2
                    for frame in frames
                )


def test_every_input_is_one_arrow_into_its_operator() -> None:
    cell = Cell.parse("[(-2, identity, -1, 3x3 dconv);(-2, SE, 0, 8h cvt)]")
    layout = lay_out(cell)
    tops = {
        (round(box.x, 6), round(box.y - box.height / 2, 6)) for box in layout.boxes if box.kind == "operator"
    }
    ends = {
        (round(x, 6), round(y, 6)) for x, y in (line.points[-1] for line in layout.lines if line.has_arrow)
    }
    assert len(tops) == 4 and tops <= ends


def test_the_output_says_whether_it_concatenates() -> None:
    cell = Cell.parse("[(-1, SE, -1, SE);(0, SE, 0, SE)]")
    labels = {box.label for box in lay_out(cell).boxes}
    assert "output" in labels
    labels = {box.label for box in lay_out(cell, concatenates_only_unused=False).boxes}
    assert "concatenate → output" in labels


def test_the_empty_cell_passes_its_input_on() -> None:
    kinds = [box.kind for box in lay_out(Cell()).boxes]
    assert kinds == ["lookback", "output"]


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_svg_is_well_formed_and_names_every_operator(seed: int) -> None:
    cell = random_cell(seed)
    root = ElementTree.fromstring(svg_text(lay_out(cell)))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for block in cell.blocks:
        assert block.op1 in texts and block.op2 in texts


def test_names_are_escaped() -> None:
    cell = Cell((Block(-1, "<i>&\\ conv", -1, "identity"),))
    text = svg_text(lay_out(cell))
    assert "<i>" not in text and "&lt;i&gt;&amp;" in text
    assert '"<i>&\\\\ conv"' in dot_text(cell)


@pytest.mark.parametrize(
    ("suffix", "start"), [(".svg", b"<svg"), (".PDF", b"%PDF"), (".png", b"\x89PNG"), (".dot", b"digraph")]
)
def test_the_suffix_decides(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"cell{suffix}"
    draw_cell(random_cell(1), path)
    assert path.read_bytes().startswith(start)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.svg, \.pdf, \.png, \.dot"):
        draw_cell(Cell(), tmp_path / "cell.gif")


def test_dot_has_an_edge_per_input() -> None:
    cell = Cell.parse("[(-2, identity, -1, 3x3 dconv);(-2, SE, 0, 8h cvt)]")
    text = dot_text(cell)
    for edge in (
        "lookback_2 -> b0_0",
        "lookback_1 -> b0_1",
        "lookback_2 -> b1_0",
        "b0 -> b1_1",
        "b1 -> output",
    ):
        assert f"{edge};" in text
    assert "b0 -> output" not in text
    assert "b0 -> output;" in dot_text(cell, concatenates_only_unused=False)


def test_families_have_one_colour_each() -> None:
    assert colour("3x3 conv") == colour("1x1 conv") != colour("1x3-3x1 conv")
    assert colour("3x3 dconv") != colour("3x3 conv")
    assert colour("my own thing") == colour("another thing")
    assert tint("#000000", 0) == "#ffffff" and tint("#123456", 1) == "#123456"
