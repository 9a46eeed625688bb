"""Rounding to significant digits, and the settings."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from popnas.errors import UnknownNameError
from popnas.objectives import Objective
from popnas.strategy import StrategySettings, round_significant

ENERGY = Objective("energy", "energy", "J", "energy_joules", "energy(J)")
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(
        FINITE | st.floats(1e-3, 1e3) | st.integers(-(10**8), 10**8).map(lambda value: value / 2), max_size=20
    )
)
@example([0.1234565, 1.0000005, 999999.5, 9999995.0, 0.0, -0.0, 1e-300, 5e-324, 1.7e308, 2.5e-5, 1e23])
def test_rounding_is_that_of_decimal_formatting(values):
    expected = [float(f"{value:.5e}") for value in values]
    rounded = round_significant(np.array(values, dtype=np.float64))
    assert rounded.tolist() == expected
    assert round_significant(rounded).tolist() == expected


def test_rounding_passes_what_is_not_finite_and_keeps_the_shape():
    rounded = round_significant(np.array([[np.nan, np.inf], [-np.inf, 123456789.0]]))
    assert np.isnan(rounded[0, 0])
    assert rounded[0, 1] == np.inf
    assert rounded[1].tolist() == [-np.inf, 123457000.0]


def test_noise_below_the_sixth_digit_ties():
    values = 0.8123454 * (1 + 1e-9 * np.arange(-5, 6))
    assert len(set(round_significant(values))) == 1


def test_settings_know_the_objectives():
    settings = StrategySettings(4, 2, ("score", "params", ENERGY), constraints={"time": (0, 9)})
    assert [item.name for item in settings.active_objectives] == ["score", "params", "energy"]
    assert [item.name for item in settings.required_predictions] == ["score", "params", "energy", "time"]
    assert [item.is_maximized for item in settings.active_objectives] == [True, False, False]


def test_pnas_mode_compares_the_score_only():
    settings = StrategySettings(4, 2, ("score", "time"), is_pnas=True)
    assert [item.name for item in settings.required_predictions] == ["score"]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"objectives": ("score", "tim")}, UnknownNameError, "Did you mean 'time'"),
        ({"constraints": {"parms": (0, 1)}}, UnknownNameError, "Did you mean 'params'"),
        ({"constraints": {"params": (2, 1)}}, ValueError, "least, greatest"),
        ({"objectives": ("time", "score")}, ValueError, "start with the score"),
        ({"objectives": ("score", "time", "time")}, ValueError, "once"),
        ({"max_children": 0}, ValueError, "max_children"),
    ],
)
def test_impossible_settings_are_refused(change, error, said):
    with pytest.raises(error, match=said):
        StrategySettings(**{"max_children": 4, **change})
