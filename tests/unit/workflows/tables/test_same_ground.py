"""Searches of one comparison differ in how they search, and are judged as they themselves decide."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas import config as configurations
from popnas import evaluators, predictors
from popnas.cli.main import run
from popnas.errors import ConfigError, DataError, MissingExtraError, UserError
from popnas.evaluators.nasbench201 import stored as stored_nasbench201
from popnas.evaluators.table import stored
from popnas.evaluators.table.stored import CellTable
from popnas.events import Warned
from popnas.records import Json
from popnas.workflows.tables.comparing import comparison, progressive
from popnas.workflows.tables.comparing.folder import ComparisonFolder
from popnas.workflows.tables.comparing.judging import Judge
from popnas.workflows.tables.comparing.request import CompareRequest, NamedConfig
from popnas.workflows.tables.comparing.trial import TrialContext, TrialSetup, Tried
from popnas.workflows.tables.redrawn import redrawn

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))
import made_nasbench201
from made_tables import made

REPEATING: Json = {
    "search_strategy": {"max_children": 6, "repeats": 4},
    "others": {"predictors": {"score": "trees", "time": "sums"}},
}


@pytest.fixture(autouse=True)
def quickly(quick_disk: None, one_thread: None) -> None:
    """For every test here."""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    stored.write(tmp_path / "table.npz", made(2, 1))
    return tmp_path / "table.npz"


def with_failures(table: CellTable, is_failed_NR: np.ndarray) -> CellTable:
    failures = np.where(is_failed_NR, 0, table.failures).astype(np.int8)
    values = {
        name: np.where(
            is_failed_NR.reshape(*is_failed_NR.shape, *(1,) * (getattr(table, name).ndim - 2)),
            np.nan,
            getattr(table, name),
        ).astype(np.float32)
        for name in ("metrics", "training_seconds", "inference_seconds")
    }
    return replace(table, failures=failures, **values)


def compared(table: Path, named: NamedConfig, tmp_path: Path, **changes: Any) -> Any:
    asked: dict[str, Any] = {"methods": (), "configs": (named,), "seeds": 1, "networks": (20,), **changes}
    return comparison.compare(table, CompareRequest(**asked), name="c", logs=tmp_path, workers=1)


# --- failed repetitions ---


def test_a_winner_is_judged_whatever_repetition_of_it_failed(tmp_path: Path) -> None:
    """Every third training fails, of cells that are the best by the other two."""
    table = made(2, 1)
    several_N = table.repetitions == 3
    table.metrics[~several_N] *= 0.3
    is_failed = (np.arange(3) == 2)[None] & several_N[:, None]
    stored.write(tmp_path / "failing.npz", with_failures(table, is_failed))
    compared(tmp_path / "failing.npz", NamedConfig("repeats", REPEATING), tmp_path, seeds=3)
    known = ComparisonFolder(tmp_path / "c").read().tried
    ground = TrialContext(TrialSetup(str(tmp_path / "failing.npz"), CompareRequest())).ground
    seen = [ground.scores[list(tried.rows), list(tried.trainings)] for tried in known.values()]
    assert any(np.isnan(scores[-4:]).any() for scores in seen)
    for tried in known.values():
        assert tried.winner is not None
        found = Judge(ground).figures(tried, [len(tried.rows)])
        assert np.isfinite(found["score_regret"]).all()


def test_of_a_candidate_what_the_search_took_it_for_decides(tmp_path: Path) -> None:
    ground = TrialContext(TrialSetup(str(tmp_path / "t.npz"), CompareRequest()))
    stored.write(tmp_path / "t.npz", made(2, 1))
    judge = Judge(ground.ground)
    scores = judge.ground.scores
    one, other = [row for row in judge.ground.open_rows.tolist() if judge.ground.num_trainings[row] == 3][:2]
    scores[one, 0], scores[one, 1], scores[other, 0] = 0.9, np.nan, 0.8
    found = judge.figures(Tried((one, other, one), (0, 0, 1)), [3])
    assert judge.best - found["score_regret"][0] == pytest.approx(judge.worth[one, 0, 0], abs=0.05)
    scores[one, 0], scores[one, 1] = np.nan, 0.9
    found = judge.figures(Tried((one, other, one), (0, 0, 1)), [3])
    assert judge.best - found["score_regret"][0] == pytest.approx(judge.worth[other, 0, 0])


# --- budgets and repeats ---


@pytest.mark.parametrize("method", ["popnas", "progressive-random"])
def test_what_is_trained_again_is_used_where_the_steps_are_cut(
    table: Path, tmp_path: Path, method: str
) -> None:
    sets = ("search_strategy.max_children=30",)
    context = TrialContext(TrialSetup(str(table), CompareRequest()))
    base = progressive.default_config(table, CompareRequest(), 0)
    config = progressive.planned(base, NamedConfig("fixed", REPEATING, sets), 60)
    config = configurations.changed(config, {"search_strategy.repeats": 5})
    evaluator = evaluators.create(config)
    search = progressive.search if method == "popnas" else progressive.random_choice
    tried = context._as_rows(search(evaluator, 14), evaluator)
    assert len(tried.rows) == 14 and len(set(tried.rows)) == 9
    assert tried.winner in tried.rows


def test_repeats_that_leave_nothing_to_choose_among_are_refused(table: Path, tmp_path: Path) -> None:
    named = NamedConfig("mine", {"search_strategy": {"max_children": 4, "repeats": 25}})
    with pytest.raises(UserError, match=r"`networks` 20: the search 'mine' trains 25 .* more than 25"):
        compared(table, named, tmp_path, networks=(20, 60))
    assert not (tmp_path / "c").exists()


# --- what a named search may say ---


@pytest.mark.parametrize(
    "change",
    [
        "training_hyperparameters.epochs=1",
        "dataset.path=other.npz",
        "others.seed=3",
        "others.evaluator=training",
        "others.max_hours=1",
        "search_strategy.score_metric=f1_score",
    ],
)
def test_another_ground_is_refused(table: Path, tmp_path: Path, change: str) -> None:
    place, _, value = change.partition("=")
    with pytest.raises(ConfigError) as caught:
        compared(table, NamedConfig("cheap", {}, (change,)), tmp_path)
    assert place in str(caught.value) and value in str(caught.value)
    assert not (tmp_path / "c").exists()


def test_another_ground_is_refused_of_a_file_too(table: Path, tmp_path: Path) -> None:
    named = NamedConfig("cheap", {"search_strategy": {"score_metric": "f1_score"}})
    with pytest.raises(ConfigError, match="must be accuracy, by which all searches"):
        compared(table, named, tmp_path)


def test_more_blocks_than_are_compared_are_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"search_space.blocks: must be at most 1, .* got 2"):
        compared(table, NamedConfig("x", {"search_space": {"blocks": 2}}), tmp_path, blocks=1)


@pytest.mark.parametrize(
    ("partial", "words"),
    [
        ({"serch_strategy": {"max_children": 4}}, "search_strategy"),
        ({"dataset": {"batch_sise": 4}}, "batch_size"),
        ({"training_hyperparameters": {"epochs": "many"}}, "training_hyperparameters.epochs"),
        ({"others": {"preditors": {}}}, "predictors"),
    ],
)
def test_mistakes_in_any_section_are_told(table: Path, tmp_path: Path, partial: Json, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compared(table, NamedConfig("x", partial), tmp_path)


def test_what_is_left_out_of_a_file_is_told(table: Path, tmp_path: Path) -> None:
    told: list[Any] = []
    partial: Json = {
        "search_strategy": {"max_children": 4},
        "training_hyperparameters": {"epochs": 1},
        "dataset": {"name": "digits", "path": str(table)},
        "others": {"seed": 7, "pnas_mode": False},
    }
    request = CompareRequest(("random",), (NamedConfig("mine", partial),), seeds=1, networks=(12,))
    comparison.compare(table, request, name="c", logs=tmp_path, workers=1, tell=told.append)
    (told_left,) = [event.text for event in told if isinstance(event, Warned) and "left out" in event.text]
    assert told_left.startswith("mine: training_hyperparameters.epochs, dataset.name, others.seed: left out")


def test_warnings_of_a_named_search_are_told_with_its_name(table: Path, tmp_path: Path) -> None:
    told: list[Any] = []
    named = NamedConfig("flat", {"search_space": {"blocks": 1}, "search_strategy": {"rounds": 3}})
    request = CompareRequest(("random",), (named,), seeds=1, networks=(12,))
    comparison.compare(table, request, name="c", logs=tmp_path, workers=1, tell=told.append)
    texts = [event.text for event in told if isinstance(event, Warned)]
    assert any(text.startswith("flat: search_strategy.rounds") for text in texts)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-j", "one={file}", "-j", "one={file}"], "'one' has a file already"),
        (
            ["--set", "one:search_strategy.rounds=2", "--set", "one:search_strategy.rounds=3"],
            "second time what search_strategy.rounds of 'one' is",
        ),
    ],
)
def test_doubles_are_refused(words: list[str], told: str, table: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "x.json").write_text("{}")
    given = [word.format(file=tmp_path / "x.json") for word in words]
    assert run(["bench", "compare", "-p", str(table), *given]) == 2
    assert told in capsys.readouterr().err


# --- the search that a table was built for ---


def test_a_table_is_searched_with_all_that_its_configuration_says_of_the_search(tmp_path: Path) -> None:
    built: Json = {
        "search_strategy": {"max_children": 5, "rounds": 2},
        "others": {
            "predictors": {"score": "trees", "time": "sums"},
            "accuracy_predictor_ensemble_units": 2,
            "pnas_mode": True,
            "max_hours": 3,
            "seed": 9,
        },
    }
    about = np.array(json.dumps({"configuration": built}))
    stored.write(tmp_path / "t.npz", made(2, 1, about=about))
    found = progressive.default_config(tmp_path / "t.npz", CompareRequest(), 4)
    assert (found.others.predictors.score, found.others.predictors.time) == ("trees", "sums")
    assert (found.others.accuracy_predictor_ensemble_units, found.others.pnas_mode) == (2, True)
    assert (found.others.seed, found.others.max_hours, found.others.evaluator) == (4, None, "table")


# --- which training is seen ---


def test_a_table_that_was_moved_is_named_once_and_is_the_same(
    table: Path, tmp_path: Path, capsys: Any
) -> None:
    request = CompareRequest(("random",), seeds=1, networks=(10,))
    whole = comparison.compare(table, request, name="c", logs=tmp_path, workers=1)
    moved = table.rename(tmp_path / "elsewhere.npz")
    folder = str(tmp_path / "c")
    assert run(["bench", "compare", "-r", folder]) == 2
    assert f"popnas bench compare -r {folder} -p TABLE" in capsys.readouterr().err
    stored.write(tmp_path / "other.npz", made(2, 1, seed=5))
    assert run(["bench", "compare", "-r", folder, "-p", str(tmp_path / "other.npz")]) == 2
    assert "is not the table" in capsys.readouterr().err
    assert run(["bench", "compare", "-r", folder, "-p", str(moved), "--workers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["best"] == whole.best
    assert comparison.resume(tmp_path / "c", workers=1).readings == whole.readings


@pytest.mark.parametrize("is_older", [False, True])
def test_a_folder_is_moved_with_the_table_in_it(table: Path, tmp_path: Path, is_older: bool) -> None:
    request = CompareRequest(("random",), seeds=1, networks=(10,), trainings=3)
    whole = comparison.compare(table, request, name="c", logs=tmp_path, workers=1)
    journal = tmp_path / "c" / "comparison" / "journal.jsonl"
    assert str(tmp_path) not in journal.read_text()
    if is_older:  # which kept where it had lain
        first = ComparisonFolder(tmp_path / "c")
        events = first.journal.events()
        content = {**events[0].content, "table": str(tmp_path / "c" / "redrawn.npz")}
        journal.unlink()
        with ComparisonFolder(tmp_path / "c").journal as written:
            for event in [replace(events[0], content=content), *events[1:]]:
                written.append(event.event, dict(event.content), dict(event.volatile))
    (tmp_path / "c").rename(tmp_path / "d")
    table.unlink()
    assert comparison.resume(tmp_path / "d", workers=1).readings == whole.readings


@pytest.mark.parametrize("epochs", [12, 200])
def test_what_is_booked_is_what_was_seen(tmp_path: Path, epochs: int) -> None:
    """Of NAS-Bench-201 too, whose architectures are trained twice or three times."""
    stored_nasbench201.write(tmp_path / "n.npz", made_nasbench201.made())
    request = CompareRequest(epochs=epochs, networks=(40,))
    context = TrialContext(TrialSetup(str(tmp_path / "n.npz"), request))
    base = progressive.default_config(tmp_path / "n.npz", request, 3)
    config = configurations.changed(
        base, {"search_strategy.max_children": 8, "search_strategy.repeats": 6, "search_strategy.rounds": 1}
    )
    evaluator = evaluators.create(config)
    state = progressive.search(evaluator, 40)
    tried = context._as_rows(state, evaluator)
    seen = [item.score for item in (*state.evaluations, *state.confirmations)]
    booked = context.ground.scores[list(tried.rows), list(tried.trainings)]
    np.testing.assert_allclose(booked, seen, atol=1e-6)
    by_cell: dict[str, list[int]] = {}
    cells = [item.cell for item in (*state.evaluations, *state.confirmations)]
    for cell, row, training in zip(cells, tried.rows, tried.trainings, strict=True):
        own = by_cell.setdefault(cell, [])
        # None comes twice while there are others.
        assert training not in own or len(own) >= context.ground.num_trainings[row]
        own.append(training)
    assert any(len(own) > 1 for own in by_cell.values())
    assert state.winner is not None
    assert state.winner.trainings == len(set(by_cell[state.winner.cell]))


@pytest.mark.parametrize("kind", ["once", "some", "nasbench201"])
def test_repeats_that_tell_nothing_new_are_told(tmp_path: Path, kind: str) -> None:
    if kind == "nasbench201":
        stored_nasbench201.write(tmp_path / "t.npz", made_nasbench201.made())
    else:
        whole = made(2, 1)
        counts = np.ones_like(whole.repetitions) if kind == "once" else whole.repetitions
        stored.write(tmp_path / "t.npz", replace(whole, repetitions=counts))
    base = progressive.default_config(tmp_path / "t.npz", CompareRequest(), 0)
    assert evaluators.create(base).check() == []
    repeating = configurations.changed(base, {"search_strategy.repeats": 5})
    (told,) = evaluators.create(repeating).check()
    count = {"once": "118 of its 118", "some": "59 of its 118", "nasbench201": "15,625 of its 15,625"}[kind]
    assert told.startswith("search_strategy.repeats: ") and f"a single training of {count} cand" in told
    confirming = configurations.changed(base, {"others.confirm": True})
    assert any(text.startswith("others.confirm: ") for text in evaluators.create(confirming).check())


def test_of_a_training_that_is_answered_twice_one_is_counted(tmp_path: Path) -> None:
    whole = made(2, 1)
    stored.write(tmp_path / "t.npz", replace(whole, repetitions=np.ones_like(whole.repetitions)))
    base = progressive.default_config(tmp_path / "t.npz", CompareRequest(), 0)
    config = configurations.changed(base, {"search_strategy.max_children": 3, "search_strategy.repeats": 9})
    state = progressive.search(evaluators.create(config), 30)
    assert len(state.confirmations) == 9
    assert state.winner is not None and state.winner.trainings == 1


def test_predictors_whose_library_is_missing_are_refused_before_anything_is_made(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise MissingExtraError("the predictor trees", "boosters", "xgboost")

    monkeypatch.setattr(predictors.REGISTRY.get("trees"), "check_library", missing)
    with pytest.raises(MissingExtraError):
        compared(table, NamedConfig("trees", REPEATING), tmp_path)
    assert not (tmp_path / "c").exists()


# --- what is judged is not what is seen ---


def test_what_was_seen_early_is_judged_at_the_last_fidelity(table: Path) -> None:
    request = CompareRequest(epochs=1)
    known = stored.read(table)
    ground = TrialContext(TrialSetup(str(table), request)).ground
    judge = Judge(ground)
    last_NR = known.metrics[:, :, -1, 0].astype(np.float64)
    np.testing.assert_array_equal(ground.scores, known.metrics[:, :, 0, 0].astype(np.float64))
    late = Judge(TrialContext(TrialSetup(str(table), CompareRequest())).ground)
    assert (judge.best, judge.whole) == (late.best, late.whole)
    single, several = (
        next(row for row in ground.open_rows.tolist() if ground.num_trainings[row] == number)
        for number in (1, 3)
    )
    # What was chosen by the first epoch is worth what became of it.
    found = judge.figures(Tried((single,), (0,)), [1])
    assert judge.best - found["score_regret"][0] == pytest.approx(last_NR[single, 0])
    found = judge.figures(Tried((several,), (1,)), [1])
    assert judge.best - found["score_regret"][0] == pytest.approx(last_NR[several, 2])
    # But the best of two is the one that looked best then.
    ground.scores[single, 0], ground.scores[several, 1] = 0.1, 0.9
    found = judge.figures(Tried((single, several), (0, 1)), [2])
    assert judge.best - found["score_regret"][0] == pytest.approx(last_NR[several, 2])
    # Budgets are of what was trained.
    np.testing.assert_array_equal(ground.seconds, known.training_seconds[:, :, 0].astype(np.float64))


@pytest.mark.parametrize("objective", ["time", "inference_time", "params"])
def test_drawn_trainings_are_judged_by_what_they_are_drawn_around(tmp_path: Path, objective: str) -> None:
    source = made(2, 1)
    stored.write(tmp_path / "drawn.npz", redrawn(source, 4))
    assert stored.read(tmp_path / "drawn.npz").has_means and not source.has_means
    request = CompareRequest(objective=objective)
    judge = Judge(TrialContext(TrialSetup(str(tmp_path / "drawn.npz"), request)).ground)
    several_N = source.repetitions == 3
    scores_N = np.where(several_N, source.metrics[:, 1:, -1, 0].mean(axis=1), source.metrics[:, 0, -1, 0])
    costs = {"time": source.training_seconds[:, 0, -1], "inference_time": source.inference_seconds[:, 0]}
    costs_N = costs.get(objective, source.params)
    rows = judge.ground.open_rows
    for training in range(4):
        np.testing.assert_allclose(judge.worth[rows, training, 0], scores_N[rows], rtol=1e-6)
        np.testing.assert_allclose(judge.worth[rows, training, 1], costs_N[rows], rtol=1e-6)
    assert judge.best == pytest.approx(scores_N[rows].max())
    again = judge.figures(Tried((int(rows[3]),) * 4, (0, 1, 2, 3)), [4])
    assert judge.best - again["score_regret"][0] == pytest.approx(scores_N[rows[3]])


def test_drawn_trainings_of_an_older_popnas_are_refused_with_a_way_on(tmp_path: Path) -> None:
    older = replace(
        redrawn(made(2, 1), 4),
        **{name: made(2, 1).__dict__[name] for name in stored._MEANS},
    )
    stored.write(tmp_path / "drawn.npz", older)
    with pytest.raises(DataError, match="Compare anew, over the table that `popnas bench build` made"):
        comparison.compare(
            tmp_path / "drawn.npz", CompareRequest(("random",), seeds=1), name="c", logs=tmp_path
        )
    assert not (tmp_path / "c").exists()


def test_means_that_cannot_be_are_refused(tmp_path: Path) -> None:
    table = redrawn(made(2, 1), 4)
    table.mean_metrics[3, 1, 0] = np.nan
    stored.write(tmp_path / "drawn.npz", table)
    with pytest.raises(DataError, match="'mean_metrics' of"):
        stored.read(tmp_path / "drawn.npz")
