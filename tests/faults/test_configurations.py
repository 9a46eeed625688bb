"""Mutated configurations through the real commands; `configurations.py` runs any number of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from popnas import config
from popnas.config import messages
from popnas.errors import ConfigError

from . import configurations as faults

_FINE = ("refused", "trained", "limited")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="forks a process that has loaded torch")
@pytest.mark.parametrize("seed", range(40))
def test_a_mutated_configuration_is_refused_or_trains(seed: int, tmp_path: Path) -> None:
    faults.write_data(tmp_path / "data")
    case = faults.mutated(seed, tmp_path / "data")
    verdict, output = faults.judge(case, tmp_path)
    assert verdict in _FINE, f"{verdict}: {case.changes}\n{output[-2000:]}"


def test_a_thousand_checks_end_in_words(tmp_path: Path) -> None:
    """The check alone, in this process: it raises nothing but its own error, every problem with a place."""
    for seed in range(1000):
        path = tmp_path / "config.json"
        path.write_text(faults.mutated(seed, tmp_path).text, encoding="utf-8", errors="surrogatepass")
        try:
            config.load(path)
        except ConfigError as error:
            assert error.problems, seed
            assert all(problem.message for problem in error.problems), seed
            assert faults._has_place(str(error)), (seed, str(error))


def test_every_number_has_an_upper_bound_with_a_reason() -> None:
    numbers = []
    for path in faults._places():
        for option in messages.schema_at(path).alternatives:
            if option.kind in ("integer", "number"):
                numbers.append(path)
                assert {option.most, option.below} != {None}, path
                assert option.reason or path[-1] == "validation_size", path
    assert len(numbers) > 25
