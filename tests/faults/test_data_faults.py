"""Broken and hostile data: a sentence that names them, whatever was done to them.

The generator is in `data_faults.py`, which also runs more cases through the real commands:
    python tests/faults/data_faults.py --seed 1 --count 300
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path

import pytest

from popnas.errors import DataError, UnknownNameError
from popnas.workflows.data.inspection import inspect
from popnas.workflows.data.look import look_at

SPEC = importlib.util.spec_from_file_location("data_faults", Path(__file__).with_name("data_faults.py"))
data_faults = importlib.util.module_from_spec(SPEC)
sys.modules["data_faults"] = data_faults
SPEC.loader.exec_module(data_faults)

SEED = 11


def first_of(question, tasks):
    return tasks[0]


@pytest.mark.parametrize("first", range(0, 240, 8))
def test_readers_refuse_in_words_what_they_cannot_read(tmp_path, monkeypatch, capfd, first):
    """In this process: all readers on eight cases, one of each form."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data_faults, "bomb_bytes", 10**6)
    for number in range(first, first + 8):
        place = tmp_path / f"data{number}"
        place.mkdir()
        case = data_faults.make(place, SEED, number)
        before = sorted(tmp_path.rglob("*"))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                inspect(look_at(case.argument, first_of, task=data_faults.TASKS[case.task]))
            except (DataError, UnknownNameError) as error:
                told = str(error)
                assert data_faults.printed(case.path.name) in told or "dataset." in told, (case, told)
                assert len(told) < 5000, (case, len(told))
                assert "Errno" not in told and "allow_pickle" not in told, (case, told)
        assert sorted(tmp_path.rglob("*")) == before, case
    assert data_faults.TRAP not in capfd.readouterr().out


def test_the_generator_is_repeatable_and_reaches_every_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(data_faults, "bomb_bytes", 10**6)
    what = []
    for number in range(64):
        places = [tmp_path / f"{copy}{number}" for copy in "ab"]
        for place in places:
            place.mkdir()
        first, second = (data_faults.make(place, SEED, number) for place in places)
        assert (first.what, first.task) == (second.what, second.task)
        what.append(first.what)
    assert len(set(what)) > 45


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["inspect", "init", "plan", "search"])
def test_commands_answer_in_time_within_memory_and_in_words(tmp_path, verb):
    """The real commands with a limit on time and address space."""
    popnas = str(Path(sys.executable).with_name("popnas"))
    for number in range(16):
        data, here = tmp_path / f"data{number}", tmp_path / f"here{number}"
        data.mkdir(), here.mkdir()
        case = data_faults.make(data, SEED + 1, number)
        output, wrong = data_faults.run_case(case, verb, popnas, here, seconds=180, memory=12 << 30)
        assert wrong is None, (case, wrong, output)
