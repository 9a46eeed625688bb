"""Predictors compared on a table, a run and NAS-Bench-201's cells, as the command does it."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))

import made_nasbench201
import made_tables

from popnas.cells import Cell
from popnas.cli import main
from popnas.errors import UnknownNameError, UserError
from popnas.evaluators.nasbench201 import mapping
from popnas.evaluators.nasbench201 import stored as nasbench201
from popnas.evaluators.table import stored
from popnas.predictors import REGISTRY
from popnas.runs import RunFolder
from popnas.workflows.searching.search import search
from popnas.workflows.settings import load_config, load_run_config
from popnas.workflows.studies import files, sources, study
from popnas.workflows.studies.figures import figures, interval
from popnas.workflows.studies.splits import StudyRequest, StudySplit, Where, splits
from popnas.workflows.tables.redrawn import redrawn

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


def test_of_a_run_those_are_asked_for_that_predictions_chose_least(table: Path) -> None:
    known = sources.read(table, "score")
    chosen_by = np.full(len(known.cells), "front", dtype=object)

    def asked() -> StudySplit:
        of_run = replace(known, chosen_by=chosen_by.astype(str))
        (found,) = splits(of_run, StudyRequest(), np.random.default_rng(0))
        return found

    assert asked().kind == "trained" and len(asked().asked) == (known.num_blocks == 2).sum()
    chosen_by[-7:-3] = "exploration"
    chosen_by[-2:] = "random"  # too few to stand alone, and no reason to be mixed with the others
    assert asked().kind == "exploration" and asked().asked.tolist() == [*np.arange(len(known.cells))[-7:-3]]
    chosen_by[-3:] = "random"
    assert asked().kind == "random" and asked().asked.tolist() == [*np.arange(len(known.cells))[-3:]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a table in which the operators cost different times; with a control group."""
    logs = tmp_path_factory.mktemp("logs")
    stored.write(logs / "table.npz", made_tables.made(3, 1))
    document = {
        "search_space": {"blocks": 3, "lookback_depth": 1, "operators": list(made_tables.OPERATORS)},
        "search_strategy": {"max_children": 4, "max_exploration_children": 2, "random_children": 3},
        "training_hyperparameters": {"epochs": 3},
        "dataset": {"type": "image_classification", "path": str(logs / "table.npz")},
        "others": {
            "evaluator": "table",
            "predictors": {"score": "trees", "time": "sums"},
            "accuracy_predictor_ensemble_units": 2,
        },
    }
    return Path(search(load_config(document), name="run", logs=logs).folder)


def test_of_a_run_what_its_search_told_predictors_is_told(run: Path) -> None:
    config, state = load_run_config(RunFolder(run)), RunFolder(run).state()
    for objective, of in (("score", "time"), ("time", "time"), ("inference_time", "inference_time")):
        known = sources.read(run, objective)
        costs = (state.operator_costs or {})[of]
        assert known.context().operator_costs.tolist() == [costs[name] for name in config.space.operators]
        assert known.context().num_models == 2 == config.others.accuracy_predictor_ensemble_units
    drawn = {item.cell for items in state.proposals.values() for item in items if item.is_random}
    is_drawn_N = known.chosen_by == "random"
    assert {cell.key for cell in known.space.decode(known.cells[is_drawn_N])} == drawn and len(drawn) == 6


def test_costs_come_of_the_cells_that_the_evaluator_of_a_run_names(tmp_path: Path) -> None:
    figures_201 = tmp_path / "nasbench201.npz"
    nasbench201.write(figures_201, made_nasbench201.made())
    document = {
        "search_space": {"blocks": 2, "lookback_depth": 1, "operators": list(mapping.OPERATIONS)},
        "search_strategy": {"max_children": 6, "max_exploration_children": 0},
        "training_hyperparameters": {"epochs": 12},
        "dataset": {"type": "image_classification", "name": "cifar10", "path": str(figures_201)},
        "others": {"evaluator": "nasbench201", "predictors": {"score": "trees", "time": "sums"}},
    }
    folder = Path(search(load_config(document), name="native", logs=tmp_path).folder)
    costs = sources.read(folder, "time").costs
    # Of cells [(-1, op, -1, op)], which a native search has not, all would be 0.
    assert costs.max() == 1 and len(set(costs.tolist())) > 2


def test_a_run_that_has_not_told_what_operators_cost_is_not_studied(run: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    shutil.copytree(run, begun)
    journal = begun / "restore" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    until = next(number for number, line in enumerate(lines) if '"operator_costs"' in line)
    journal.write_text("".join(lines[:until]))
    with pytest.raises(UserError, match=r"not trained all its cells of one block.*search -r"):
        sources.read(begun, "score")


def test_intervals_are_those_of_seeds_that_draw_other_cells(run: Path, table: Path) -> None:
    request = StudyRequest(seeds=2, trained=5, sample=40)
    made = study.study("score", Where([run, table]), request, names=["ridge"])
    halves = {item.asked: item.halves["spearman"] for item in made.summaries()}
    assert halves["random"] is None and halves["sample"] is not None


@pytest.mark.parametrize("form", ["table", "run"])
def test_sources_of_one_name_stay_apart(form: str, table: Path, run: Path, tmp_path: Path) -> None:
    """Two tables whose rows are other cells, or one run beside its copy, in folders of other names."""
    for number, owner in enumerate(("ours", "theirs")):
        if form == "run":
            shutil.copytree(run, tmp_path / owner / "run")
        else:
            (tmp_path / owner / "small").mkdir(parents=True)
            stored.write(tmp_path / owner / "small" / "table.npz", made_tables.made(2, 2 - number))
    name = "run" if form == "run" else "small/table.npz"
    paths = [tmp_path / owner / name for owner in ("ours", "theirs")]
    made = study.study("score", Where(paths), StudyRequest(seeds=1, trained=5, sample=40), names=["ridge"])
    names = [f"ours/{name}", f"theirs/{name}"]
    assert [known.name for known in made.known] == names
    steps = len({item.split.step for item in made.fits})
    assert [item.source for item in made.summaries()] == [name for name in names for _ in range(steps)]
    written = files.write(tmp_path / "out", made)
    assert len([path for path in written if path.name.startswith("predicted_")]) == 2 * steps
    for row in read_csv(tmp_path / "out" / "predictions.csv"):
        known = made.by_name[row["source"]]
        place = known.space.decode(known.cells).index(Cell.parse(row["cell"]))
        assert float(row["real"]) == known.truth[place]
    with pytest.raises(UserError, match="given twice"):
        sources.read_all(Where([paths[0], paths[0] / ".." / paths[0].name]), "score")


def test_only_so_much_of_a_path_is_shown_as_tells_it_apart(table: Path, tmp_path: Path) -> None:
    paths = [tmp_path / part for part in ("a/x/same.npz", "b/x/same.npz", "c/other.npz")]
    for path in paths:
        path.parent.mkdir(parents=True)
        shutil.copy(table, path)
    names = [known.name for known in sources.read_all(Where(paths), "score")]
    assert names == ["a/x/same.npz", "b/x/same.npz", "other"]


def test_the_score_is_the_metric_that_a_table_was_built_for(tmp_path: Path, capsys: Any) -> None:
    built = {"configuration": {"search_strategy": {"score_metric": "f1_score"}}}
    made, path = made_tables.made(about=np.array(json.dumps(built))), tmp_path / "small.npz"
    stored.write(path, made)

    def scores(metric: str) -> Any:
        return made.metrics[:, :, -1, made_tables.METRICS.index(metric)].astype(np.float64)

    by_default, chosen = sources.read(path, "score"), sources.read(path, "score", metric="accuracy")
    np.testing.assert_array_equal(by_default.values, scores("f1_score"))
    np.testing.assert_array_equal(chosen.values, scores("accuracy"))
    assert (by_default.metric, chosen.metric) == ("f1_score", "accuracy")
    assert sources.read(path, "time").metric is None
    with pytest.raises(UserError, match=r"`metric` 'mean_iou'.* It has: accuracy, f1_score"):
        sources.read(path, "score", metric="mean_iou")
    command = ["predictors", "score", "-p", str(path), "--only", "ridge", "--seeds", "1"]
    assert main.run(command) == 0 and "small, f1_score: learnt" in capsys.readouterr().out
    assert main.run([*command, "--metric", "accuracy"]) == 0
    assert "small, accuracy: learnt" in capsys.readouterr().out
    assert main.run([*command, "--metric", "mean_iou"]) == 2


def test_of_a_run_another_metric_can_be_studied(run: Path) -> None:
    state = RunFolder(run).state()
    for metric in (None, "accuracy", "f1_score"):
        known = sources.read(run, "score", metric=metric)
        expected = [item.metrics[metric or "accuracy"] for item in state.successes]
        assert known.values[:, 0].tolist() == expected and known.metric == (metric or "accuracy")
    with pytest.raises(UserError, match="`metric` 'mean_iou'"):
        sources.read(run, "score", metric="mean_iou")


def test_noise_is_that_of_cells_of_nearly_the_same_score_by_the_metric_of_the_table() -> None:
    table = made_tables.made()
    swapped = replace(table, metrics=table.metrics[..., ::-1], metric_names=table.metric_names[::-1])
    about = np.array(json.dumps({"configuration": {"search_strategy": {"score_metric": "accuracy"}}}))
    one, other = (redrawn(replace(each, about=about), 4) for each in (table, swapped))
    np.testing.assert_array_equal(one.metrics, other.metrics[..., ::-1])
