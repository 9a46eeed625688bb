"""The text form: what is printed parses back, quotes are accepted, mistakes named, garbage refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.cells import Block, Cell
from popnas.cells.text import is_operator_name
from popnas.errors import CellSyntaxError

NAMES = st.text(min_size=1, max_size=8).filter(is_operator_name)


@st.composite
def cells(draw):
    blocks = []
    names = st.sampled_from(draw(st.lists(NAMES, min_size=1, max_size=3)))
    for index in range(draw(st.integers(0, 4))):
        inputs = st.integers(-3, index - 1)
        blocks.append(Block(draw(inputs), draw(names), draw(inputs), draw(names)))
    return Cell(tuple(blocks))


@given(cells())
def test_text_round_trip(cell):
    assert Cell.parse(str(cell)) == cell


@given(cells(), st.sampled_from("'\""))
def test_quotes_are_accepted(cell, quote):
    text = ";".join(f"({a},{quote}{b}{quote},{c},{quote}{d}{quote})" for a, b, c, d in cell.blocks)
    assert Cell.parse(f" [ {text} ] ") == cell


def test_text_of_known_cells():
    text = "[(-2, 1x3-3x1 conv, -1, 3x3 conv);(-1, identity, 0, 2x2 maxpool)]"
    cell = Cell.parse(text)
    assert cell.blocks[1] == Block(-1, "identity", 0, "2x2 maxpool")
    assert str(cell) == text
    assert str(Cell()) == "[]"
    assert Cell.parse("[]") == Cell()
    assert (
        Cell.parse("\n[(-2 , \"1x3-3x1 conv\",-1,3x3 conv );\n (-1,'identity', 0 ,2x2 maxpool) ]\n") == cell
    )


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 1, "'[' to open the cell"),
        ("(-1, a, -1, a)", 1, "'[' to open the cell"),
        ("[", 2, "'(' to open a block"),
        ("[(-1, a, -1, a)", 16, "';' before another block or ']'"),
        ("[(-1, a, -1, a),(-1, a, -1, a)]", 16, "';' before another block or ']'"),
        ("[(-1, a, -1, a);]", 17, "'(' to open a block"),
        ("[(-1, a, -1, a)] x", 18, "nothing after"),
        ("[(x, a, -1, a)]", 3, "the first input"),
        ("[(1.5, a, -1, a)]", 4, "',' after the first input"),
        ("[(99999, a, -1, a)]", 3, "the first input"),
        ("[(-1, a, --1, a)]", 10, "the second input"),
        ("[(-1 a, -1, a)]", 6, "',' after the first input"),
        ("[(-1, , -1, a)]", 7, "the first operator"),
        ("[(-1, a, -1, '')]", 14, "the second operator"),
        ("[(-1, 'a, -1, a)]", 7, "a closing '"),
        ("[(-1, a, -1)]", 12, "',' after the second input"),
        ("[(-1, a, -1, a, 3)]", 15, "')' to close the block"),
    ],
)
def test_mistakes_are_named_by_position(text, position, expected):
    with pytest.raises(CellSyntaxError) as caught:
        Cell.parse(text)
    message = str(caught.value)
    assert f"at character {position}:" in message
    assert expected in message
    assert "A cell looks like [(-2, " in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[(0, a, -1, a)]", "block 0 of the cell, (0, a, -1, a), has the input 0"),
        ("[(-1, a, -1, a);(1, a, -1, a)]", "block 1 of the cell, (1, a, -1, a), has the input 1"),
        ("[(-1, a, -1, a);(0, a, 7, a)]", "(here 0), never itself or a later one"),
        ("[(-1, a, -1, a);(0, a, 0, a);(0, a, 7, a)]", "(here 0 to 1)"),
    ],
)
def test_inputs_must_be_earlier_blocks(text, said):
    with pytest.raises(CellSyntaxError) as caught:
        Cell.parse(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["", " a", "a,b", "a)", "a'b", "a\nb", 3])
def test_names_that_cannot_stand_in_a_text_are_refused(name):
    with pytest.raises(CellSyntaxError, match="operator"):
        Cell((Block(-1, name, -1, "a"),))


@pytest.mark.parametrize("value", [-10000, "x", 0.5, None])
def test_inputs_must_be_whole_numbers_in_range(value):
    with pytest.raises(CellSyntaxError, match="input"):
        Cell((Block(value, "a", -1, "a"),))


@given(st.text(alphabet="[]()-;,'\" 019ab\x00é", max_size=60) | st.text(max_size=40))
def test_garbage_is_a_cell_or_a_syntax_error(text):
    try:
        cell = Cell.parse(text)
    except CellSyntaxError:
        return
    assert Cell.parse(str(cell)) == cell


def test_long_garbage_is_refused_at_once_and_shortly():
    for text in ("[" * 200_000, "[(-1, " + " " * 200_000, "[(" + "9" * 200_000, "[(-1, '" + "x" * 200_000):
        with pytest.raises(CellSyntaxError) as caught:
            Cell.parse(text)
        assert len(str(caught.value)) < 600
