"""Predictors compared on a table, a run and NAS-Bench-201's cells, as the command does it."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))

import made_tables

from popnas.cli import main
from popnas.errors import UnknownNameError, UserError
from popnas.evaluators.table import stored
from popnas.predictors import REGISTRY
from popnas.workflows.studies import sources, study
from popnas.workflows.studies.figures import figures, interval
from popnas.workflows.studies.splits import StudyRequest, Where, splits

NAMES = ("ridge", "trees")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "small.npz"
    stored.write(path, made_tables.made())
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    return [*csv.DictReader(path.read_text().splitlines())]


def test_steps_are_asked_of_what_is_smaller_and_each_seed_draws_its_own(table: Path) -> None:
    known = sources.read(table, "score")
    request = StudyRequest(trained=5, sample=40)
    (one,), (other,) = ([*splits(known, request, np.random.default_rng(seed))] for seed in (0, 1))
    assert (one.step, one.kind, len(one.asked)) == (2, "sample", 40)
    assert (known.num_blocks[one.asked] == 2).all() and (known.num_blocks[one.learnt] < 2).all()
    assert one.asked.tolist() != other.asked.tolist()


def test_random_cells_to_learn_from_are_not_asked_for(table: Path) -> None:
    known = sources.read(table, "score")
    (split,) = splits(known, StudyRequest(random=30, sample=50), np.random.default_rng(0))
    assert (split.step, len(split.learnt), len(split.asked)) == (0, 30, 50)
    assert not set(split.learnt) & set(split.asked)
    with pytest.raises(UserError, match="at least 3 must be left to ask for"):
        [*splits(known, StudyRequest(random=10**6), np.random.default_rng(0))]


def test_one_training_is_learnt_from_and_the_mean_is_the_truth(table: Path) -> None:
    known = sources.read(table, "score")
    drawn = known.of_one_training(np.random.default_rng(0))
    assert all(value in row for value, row in zip(drawn, known.values, strict=True))
    assert len({tuple(known.of_one_training(np.random.default_rng(seed))) for seed in range(3)}) == 3
    np.testing.assert_allclose(known.truth, [row[np.isfinite(row)].mean() for row in known.values])


def test_the_same_study_twice_is_the_same_but_for_seconds(table: Path) -> None:
    where, request = Where([table]), StudyRequest(seeds=2, random=60, sample=60)
    first, second = (study.study("score", where, request, names=NAMES) for _ in range(2))
    for one, other in zip(first.fits, second.fits, strict=True):
        np.testing.assert_array_equal(one.predicted, other.predicted)
    assert [item.predictor for item in first.fits] == [*NAMES] * 2
    assert all(item.means["spearman"] > 0.8 for item in first.summaries())


def test_times_are_studied_too(table: Path) -> None:
    made = study.study("time", Where([table]), StudyRequest(seeds=1), names=["ridge_time", "svr"])
    assert {item.predictor for item in made.summaries()} == {"ridge_time", "svr"}
    assert all(item.means["mape"] is not None for item in made.summaries())


def test_figures_are_those_of_the_definitions() -> None:
    real, predicted = np.arange(1.0, 41), np.arange(1.0, 41) * 1.1
    found = figures(real, predicted, is_better_low=False, seconds=(1.0, 2.0))
    assert (found.spearman, found.kendall, found.recall) == (pytest.approx(1), pytest.approx(1), 1)
    assert found.mape == pytest.approx(10) and found.bias == pytest.approx(10)
    assert found.predict_seconds == pytest.approx(50)
    worst = figures(real, -predicted, is_better_low=False, seconds=(0, 0))
    assert worst.recall == 0 and worst.kendall == pytest.approx(-1)
    assert figures(real, real * 0, is_better_low=False, seconds=(0, 0)).spearman is None
    mean, half = interval([1.0, 2.0, 3.0, None])
    assert mean == 2 and half == pytest.approx(2.484, abs=1e-3)


def test_what_cannot_be_studied_is_answered(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no predictor of score"):
        study.study("score", Where([table]), StudyRequest(), names=["svr"])
    with pytest.raises(UserError, match="`seeds` 0: must be at least 1"):
        study.study("score", Where([table]), StudyRequest(seeds=0))
    with pytest.raises(UserError, match="`epochs` 7"):
        sources.read(table, "score", epochs=7)
    only_ones = tmp_path / "ones.npz"
    stored.write(only_ones, made_tables.made(1))
    with pytest.raises(UserError, match="no step has both"):
        study.study("score", Where([only_ones]), StudyRequest(seeds=1), names=NAMES)


def test_a_predictor_whose_library_is_missing_is_told_and_the_rest_is_studied(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(REGISTRY.get("xgboost"), "library", "no_such_library")
    made = study.study("score", Where([table]), StudyRequest(seeds=1), names=["xgboost", "ridge"])
    assert [item.predictor for item in made.fits] == ["ridge"]
    (sentence,) = made.missing
    assert "'xgboost'" in sentence and 'pip install "popnas[predictors]"' in sentence


def test_the_command(table: Path, tmp_path: Path, capsys: Any) -> None:
    command = ["predictors", "score", "-p", str(table), "--seeds", "1", "--sample", "30"]
    command += [word for name in NAMES for word in ("--only", name)]
    assert main.run([*command, "-o", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "asked for 30 cells of 2 blocks (a sample)" in shown and "Spearman" in shown
    rows = read_csv(tmp_path / "out" / "predictions.csv")
    assert len(rows) == 60 and rows[0]["cell"].startswith("[(")
    assert (tmp_path / "out" / "predicted_1_step2.png").read_bytes().startswith(b"\x89PNG")
    if find_spec("shap"):
        features = {row["feature"] for row in read_csv(tmp_path / "out" / "attributions.csv")}
        assert "cells_stacked" in features and any(name.startswith("paths ") for name in features)
    assert (
        main.run(["predictors", "score", "-p", str(table), "--only", NAMES[0], "--seeds", "1", "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert {item["predictor"] for item in found["predictors"]} == {NAMES[0]}


def test_of_a_run_exploration_is_asked_for_where_it_is(table: Path) -> None:
    known = sources.read(table, "score")
    flags = np.zeros(len(known.cells), dtype=bool)
    (trained,) = splits(replace(known, is_unselected=flags), StudyRequest(), np.random.default_rng(0))
    assert trained.kind == "trained" and len(trained.asked) == (known.num_blocks == 2).sum()
    flags[-4:] = True
    (explored,) = splits(replace(known, is_unselected=flags), StudyRequest(), np.random.default_rng(0))
    assert explored.kind == "exploration" and len(explored.asked) == 4
