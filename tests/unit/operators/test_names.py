"""Names: what is read, what is refused and how it is said."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.errors import OperatorError
from popnas.operators import check_name, grammar, parse

GOOD_IMAGES = [
    "identity",
    "1x1 conv",
    "3x3 conv",
    "3x3:6dr conv",
    "5x5:4dr conv",
    "1x9-9x1 conv",
    "3x3 dconv",
    "3x3:2dr dconv",
    "3x3:2z zconv",
    "2x2 maxpool",
    "2x2 avgpool",
    "3x3 tconv",
    "8r SE",
    "3k-2h-1b cvt",
    "3k-2h scvt",
    "31x31 conv",
]
GOOD_SERIES = [
    "identity",
    "21 conv",
    "7:4dr conv",
    "3-5 conv",
    "13 dconv",
    "3:2z zconv",
    "2 maxpool",
    "2 avgpool",
    "3 tconv",
    "8r SE",
    "lstm",
    "gru",
]


@pytest.mark.parametrize(
    ("name", "num_dims"), [*((n, 2) for n in GOOD_IMAGES), *((n, 1) for n in GOOD_SERIES)]
)
def test_good_names_are_their_own_normal_form(name: str, num_dims: int) -> None:
    assert check_name(name, num_dims) is None
    assert parse(name, num_dims).name == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("3x3conv", "Did you mean '3x3 conv'?"),
        ("3x conv", "Did you mean '3x3 conv'?"),
        ("x3 conv", "is no operator"),
        ("3x3x3 conv", "is no operator"),
        ("-3x3 conv", "is no operator"),
        ("３x3 conv", "is no operator"),
        ("", "is no operator"),
        ("8r SEE", "Did you mean '8r SE'?"),
        ("lstmm", "Did you mean 'lstm'?"),
        ("0x3 conv", "the kernel must be a whole number from 1 to 31. Got '0' instead"),
        ("3x03 conv", "Got '03' instead"),
        ("999x3 conv", "Got '999' instead"),
        ("3x99999999999999999999 conv", "from 1 to 31"),
        ("3x3:0dr conv", "dilation rate must be a whole number from 1 to 64. Got '0' instead"),
        ("3x3:1000dr dconv", "Got '1000' instead"),
        ("3x3:1z zconv", "zoom factor must be a whole number from 2"),
        ("0r SE", "ratio must be"),
        ("3k-0h-1b cvt", "number of heads must be"),
        ("3k-1h-99b cvt", "number of blocks must be"),
        ("1x3-3 conv", "both kernels must be for images"),
    ],
)
def test_bad_names_say_what_is_wrong(name: str, message: str) -> None:
    for text in (check_name(name, 2), check_name(name, 1)):
        assert text is not None and message in text and f"'{name}'" in text
    with pytest.raises(OperatorError):
        parse(name)


@pytest.mark.parametrize(
    ("name", "num_dims", "message"),
    [
        ("3 conv", 2, "A kernel for images is written '3x3'"),
        ("3x3 conv", 1, "A kernel for series is written '3'"),
        ("lstm", 2, "for series only"),
        ("3k-2h scvt", 1, "for images only"),
    ],
)
def test_dimensionality(name: str, num_dims: int, message: str) -> None:
    parse(name)
    text = check_name(name, num_dims)
    assert text is not None and message in text


@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        ("3x3:1dr conv", "3x3 conv"),
        ("  3X3   CONV", "3x3 conv"),
        ("8r se", "8r SE"),
        ("7:1dr dconv", "7 dconv"),
    ],
)
def test_other_spellings_are_the_same_operator_but_no_search_space_takes_them(
    spelling: str, normal: str
) -> None:
    assert parse(spelling) is parse(normal)
    text = check_name(spelling, 2 if "x" in normal or "SE" in normal else 1)
    assert text is not None and f"Write '{normal}'" in text


def test_the_grammar_of_other_data_is_left_out() -> None:
    assert "lstm" in grammar(1) and "lstm" not in grammar(2)
    assert "cvt" in grammar(2) and "cvt" not in grammar(1)
    assert "K tconv" in grammar()


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        operator = parse(text)
    except OperatorError as error:
        assert f"'{text}'" in str(error)
    else:
        assert parse(operator.name) is operator


def test_names_and_costs_need_no_torch() -> None:
    program = (
        "import sys; from popnas.operators import Site, parse, check_name; check_name('3x conv', 2);"
        "parse('3k-2h-1b cvt').cost(Site(2, 8, 8, 1, (8, 8))); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_unknown_name_in_between_leaves_an_operator_the_same_object():
    before = parse("3x3 conv")
    with pytest.raises(OperatorError):
        parse("no such operator")
    assert parse("  3X3:1dr CONV ") is before
