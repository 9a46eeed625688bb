"""Which wider and deeper networks model selection tries."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.cells import Cell
from popnas.config import ArchitectureConfig, bounds
from popnas.errors import UserError
from popnas.networks.cost import network_cost
from popnas.networks.spec import NetworkSpec
from popnas.workflows.models.macro_variants import (
    Macro,
    ParamsRange,
    alternatives,
    nothing_fits,
    original,
    parse_params_range,
)

CELL = Cell.parse("[(-2, 3x3 conv, -1, 3x3 dconv);(-1, identity, 0, 2x2 maxpool)]")
SPEC = NetworkSpec("classification", (32, 32, 3), 10, filters=20, motifs=3, normal_cells_per_motif=2)


def params_of(motifs, normal_cells, filters, spec=SPEC):
    changed = spec.replace(motifs=motifs, normal_cells_per_motif=normal_cells, filters=filters)
    return network_cost(CELL, changed).params


@given(st.integers(1, 40), st.floats(1e3, 3e6), st.floats(1.05, 20.0))
@settings(deadline=None, max_examples=15)
def test_each_alternative_has_the_most_filters_strictly_within_the_range(filters, low, ratio):
    spec = SPEC.replace(filters=filters)
    allowed = parse_params_range(f"{low};{low * ratio}")
    found = alternatives(CELL, spec, allowed)

    expected = set()
    for motifs in (3, 4):
        for normal_cells in (2, 3, 4):
            counts = [int(filters * factor) for factor in (0.85, 1, 1.5, 1.75, 2)]
            fitting = [
                count
                for count in counts
                if count and low < params_of(motifs, normal_cells, count, spec) < low * ratio
            ]
            if fitting and (motifs, normal_cells, max(fitting)) != (3, 2, filters):
                expected.add((motifs, normal_cells, max(fitting)))
    assert {(macro.motifs, macro.normal_cells, macro.filters) for macro in found} == expected
    assert len(found) == len(expected) <= 6
    assert all(
        macro.params == params_of(macro.motifs, macro.normal_cells, macro.filters, spec) for macro in found
    )


def test_filters_are_truncated_and_params_are_those_of_one_head():
    exact = params_of(3, 2, 17)  # 0.85 x 20
    spec = SPEC.replace(is_post_search=True, multi_output=True)
    assert Macro(3, 2, 17, exact) in alternatives(CELL, spec, parse_params_range(f"{exact - 1};{exact + 1}"))
    assert original(CELL, spec) == Macro(3, 2, 20, params_of(3, 2, 20))


def test_the_bounds_themselves_are_outside():
    exact = params_of(3, 2, 30)
    for text in (f"{exact};{exact + 2}", f"{exact - 2};{exact}"):
        assert Macro(3, 2, 30, exact) not in alternatives(CELL, SPEC, parse_params_range(text))
    assert Macro(3, 2, 30, exact) in alternatives(CELL, SPEC, parse_params_range(f"{exact - 1};{exact + 1}"))


def test_an_alternative_equal_to_the_original_is_dropped():
    exact = params_of(3, 2, 20)
    allowed = parse_params_range(f"{exact - 1};{exact + 1}")
    assert alternatives(CELL, SPEC, allowed) == []
    assert nothing_fits(CELL, SPEC, allowed) is None


def test_if_nothing_fits_the_nearest_are_told():
    message = nothing_fits(CELL, SPEC, parse_params_range("10;20"))
    assert message is not None
    smallest = params_of(3, 2, 17)
    assert "only the original" in message
    assert f"3 motifs, 2 normal cells, 17 filters have {smallest:,} params" in message
    assert alternatives(CELL, SPEC, parse_params_range("10;20")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.5e6;2.5e6", "reversed"),
        ("5;5", "empty"),
        ("5;6", "empty"),
        ("5.2;5.9", "empty"),
        ("", "1 part"),
        ("2.5e6", "1 part"),
        ("1;2;3", "3 part"),
        ("a;2", "lower bound 'a' is no number"),
        ("1;", "upper bound '' is no number"),
        ("nan;5", "finite"),
        ("1;inf", "finite"),
        ("-3;5", "not negative"),
    ],
)
def test_a_range_that_is_none_is_told_with_its_place(text, expected):
    with pytest.raises(UserError, match=expected) as caught:
        parse_params_range(text)
    assert f'`params` "{text}"' in str(caught.value)


def test_ranges_are_written_in_any_float_form():
    allowed = parse_params_range(" 2.5e6 ; 3500000 ")
    assert allowed.holds(3_000_000)
    assert not allowed.holds(2_500_000)
    assert not allowed.holds(3_500_000)


def test_alternatives_stay_within_what_a_configuration_may_ask_for():
    """Else a plan would name networks that no stage trains."""
    names = ("filters", "normal_cells_per_motif")
    most = {name: bounds(ArchitectureConfig, name)[1] for name in names}
    spec = NetworkSpec("classification", (8, 8, 1), 10, most["filters"], 2, most["normal_cells_per_motif"])
    found = alternatives(Cell.parse("[(-1, identity, -1, identity)]"), spec, ParamsRange(0, 1e18))
    assert found
    assert max(macro.filters for macro in found) <= most["filters"]
    assert {macro.normal_cells for macro in found} == {most["normal_cells_per_motif"]}
