"""What the search's last lines say of its result."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from popnas.cli.jobs import search as command
from popnas.evaluation import Evaluation
from popnas.runs import RunFolder
from popnas.workflows.searching.search import SearchResult

SINGLE, GROWN = "[(-1, identity, -1, identity)]", "[(-1, identity, -1, identity);(0, identity, 0, identity)]"
CONFIG = {"architecture_hyperparameters": {"filters": 8, "motifs": 2, "normal_cells_per_motif": 1}}


def text(
    place: Path,
    single: list[float],
    grown: list[float],
    *,
    was_finished: bool = False,
    seconds: float = 1.0,
) -> str:
    """Of a search whose best score, 0.9889, is a single-block cell's."""
    folder = RunFolder.create(place, CONFIG, volatile={})
    scores = {SINGLE: (1, 0.9889, single), GROWN: (2, 0.98, grown)}
    with folder.journal as log:
        for cell, (step, score, _) in scores.items():
            proposed = {"cell": cell, "is_exploration": False, "predictions": {}}
            log.append("proposals", {"step": step, "cells": [proposed]})
            item = Evaluation(cell, step, 0, False, 1, {}, score, seconds, 0.001, params=1000, flops=10)
            log.append("evaluation", item.content())
        for cell, (_, _, confirmed) in scores.items():
            for repetition, value in enumerate(confirmed, start=1):
                log.append("confirmation", {"cell": cell, "repetition": repetition, "score": value})
    best = folder.state().best
    return command._as_text(SearchResult(folder.path, best, "completed", 2, 0, was_finished))


def test_another_cell_of_a_better_confirmed_mean_is_told_with_the_command_that_trains_it(
    tmp_path: Path,
) -> None:
    lines = text(tmp_path / "run", [0.952, 0.953, 0.951], [0.984, 0.985, 0.983]).splitlines()
    assert lines[1] == f"Best cell:  {SINGLE}"
    assert lines[2:4] == ["Validation: 0.9889", "Confirmed:  0.9520 ± 0.0016 over 3 other seeds"]
    better = next(line for line in lines if line.startswith("Better mean with other seeds: "))
    assert better.endswith(f"above the best cell's 0.9520 beyond seed noise: {GROWN}")
    typed = next(line for line in lines if line.startswith("Train it:"))
    assert shlex.split(typed)[-2:] == ["--spec", GROWN] and "train" in typed


@pytest.mark.parametrize("grown", [[0.950, 0.951, 0.949], []])
def test_nothing_is_said_of_others_where_none_is_better(tmp_path: Path, grown: list[float]) -> None:
    found = text(tmp_path / "run", [0.952, 0.953, 0.951], grown)
    assert "Confirmed:" in found and "Better mean" not in found and "Train it" not in found


def test_a_search_without_confirmations_says_nothing_of_them(tmp_path: Path) -> None:
    found = text(tmp_path / "run", [], [])
    assert "Confirmed" not in found and "Better mean" not in found


def test_a_search_that_was_finished_before_says_so_first(tmp_path: Path) -> None:
    lines = text(tmp_path / "run", [], [], was_finished=True).splitlines()
    assert lines[:2] == [
        "This search was finished already; its tables and report were written again.",
        "Search completed: 2 networks trained.",
    ]
    assert "finished already" not in text(tmp_path / "other", [], [])


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.00394, "3.94 ms"), (21.25, "21.2 s"), (300.0, "5 min 00 s"), (0.0, "0 µs")]
)
def test_a_time_stands_in_a_unit_that_fits(tmp_path: Path, seconds: float, words: str) -> None:
    assert f"Training:   {words}" in text(tmp_path / "run", [], [], seconds=seconds).splitlines()
