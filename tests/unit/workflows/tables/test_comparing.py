"""What a comparison says is true of the table, and does not depend on who did its searches, nor on when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from popnas import config as configurations
from popnas import evaluators
from popnas.cli.main import run
from popnas.config.sections import MOST_CHILDREN
from popnas.errors import DataError, MissingExtraError, RunFolderError, UserError
from popnas.evaluators.nasbench201 import stored as stored_nasbench201
from popnas.evaluators.table import stored
from popnas.evaluators.table.stored import CellTable
from popnas.events import Warned
from popnas.records import Json
from popnas.workflows.tables.comparing import comparison, progressive
from popnas.workflows.tables.comparing.folder import ComparisonFolder
from popnas.workflows.tables.comparing.ground import Ground
from popnas.workflows.tables.comparing.judging import Judge, SeedMean
from popnas.workflows.tables.comparing.request import CompareRequest, NamedConfig
from popnas.workflows.tables.comparing.trial import TrialContext, TrialSetup, Tried

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))
import made_nasbench201
from made_tables import made

FILES = ("comparison.json", "curves.csv", "curves.svg", "curves.png")
FAST = CompareRequest(methods=("progressive-random", "random", "evolution"), seeds=3, networks=(10, 20))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    stored.write(tmp_path / "table.npz", made(2, 1))
    return tmp_path / "table.npz"


@pytest.fixture(autouse=True)
def quickly(quick_disk: None, one_thread: None) -> None:
    """For every test here."""


def ground_of(table: CellTable, folder: Path) -> Ground:
    stored.write(folder / "ground.npz", table)
    return TrialContext(TrialSetup(str(folder / "ground.npz"), CompareRequest())).ground


def contents(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


# --- judging ---


def trained_once() -> CellTable:
    """Without noise."""
    table = made(2, 1, repetitions=np.ones(len(made(2, 1).cells), dtype=np.int64))
    for name in ("metrics", "training_seconds", "inference_seconds"):
        getattr(table, name)[:, 1:] = np.nan
    return table


def test_nothing_is_missing_when_all_was_evaluated(tmp_path: Path) -> None:
    judge = Judge(ground_of(trained_once(), tmp_path))
    figures = judge.figures(judge.everything(0), [len(judge.ground.open_rows)])
    assert figures["score_regret"] == [0.0]
    assert figures["hypervolume_regret"] == pytest.approx([0.0], abs=1e-12)


def test_the_more_is_seen_the_less_is_missing(tmp_path: Path) -> None:
    ground = ground_of(trained_once(), tmp_path)
    rows = np.random.default_rng(0).permutation(ground.open_rows)
    tried = Tried(tuple(rows.tolist()), (0,) * len(rows))
    found = Judge(ground).figures(tried, [1, 5, 20, 60, len(rows)])
    assert (np.diff(found["score_regret"]) <= 0).all() and (np.diff(found["hypervolume_regret"]) <= 0).all()
    assert found["score_regret"][0] > 0 < found["hypervolume_regret"][0]


def test_what_is_judged_is_not_what_was_selected_on(tmp_path: Path) -> None:
    table = made(2, 1)
    ground = ground_of(table, tmp_path)
    judge = Judge(ground)
    scores = ground.scores
    several = next(row for row in ground.open_rows.tolist() if ground.num_trainings[row] == 3)
    single = next(row for row in ground.open_rows.tolist() if ground.num_trainings[row] == 1)
    # The first training decided which cells are trained again: it is never among the judges of those.
    assert judge.worth[several, 0, 0] == pytest.approx(scores[several, 1:].mean())
    assert judge.worth[several, 1, 0] == pytest.approx(scores[several, 2])
    assert judge.worth[several, 2, 0] == pytest.approx(scores[several, 1])
    assert judge.worth[single, 0, 0] == pytest.approx(scores[single, 0])
    means = [
        scores[row, 1:].mean() if ground.num_trainings[row] == 3 else scores[row, 0]
        for row in ground.open_rows.tolist()
    ]
    assert judge.best == pytest.approx(max(means))


def test_the_winner_of_repeated_trainings_is_judged_by_those_that_were_not_seen(tmp_path: Path) -> None:
    ground = ground_of(made(2, 1), tmp_path)
    judge, scores = Judge(ground), ground.scores
    lucky, winner = [row for row in ground.open_rows.tolist() if ground.num_trainings[row] == 3][:2]
    scores[lucky, 0] = 0.99
    tried = Tried((lucky, winner, winner), (0, 0, 2), winner)
    found = judge.figures(tried, [2, 3])
    assert judge.best - found["score_regret"][0] == pytest.approx(scores[lucky, 1:].mean())
    assert judge.best - found["score_regret"][1] == pytest.approx(scores[winner, 1])


def test_repeats_count_in_the_budget_and_keep_their_ratio(tmp_path: Path) -> None:
    stored.write(tmp_path / "few.npz", made(2, 1))
    base = progressive.default_config(tmp_path / "few.npz", CompareRequest(), 0)
    base = configurations.changed(base, {"search_strategy.max_children": 16})
    named = NamedConfig("repeats", {"search_strategy": {"repeats": 8}})
    strategy = progressive.planned(base, named, 60).search_strategy
    firsts = progressive.num_firsts(evaluators.create(base))
    assert strategy.repeats == round(strategy.max_children / 2) > 8
    assert 57 <= firsts + strategy.max_children + strategy.repeats <= 60


def test_searches_that_repeat_trainings_are_compared_over_drawn_ones(tmp_path: Path) -> None:
    stored.write(tmp_path / "few.npz", made(2, 1))
    repeating: Json = {
        "search_strategy": {"max_children": 6, "repeats": 4},
        "others": {"predictors": {"score": "trees", "time": "sums"}},
    }
    request = CompareRequest(
        ("random",), (NamedConfig("repeats", repeating),), seeds=1, networks=(20,), trainings=5
    )
    result = comparison.compare(tmp_path / "few.npz", request, name="drawn", logs=tmp_path, workers=1)
    assert (stored.read(tmp_path / "drawn" / "redrawn.npz").repetitions == 5).all()
    (reading,) = (item for item in result.readings if (item.method, item.axis) == ("repeats", "networks"))
    assert reading.networks <= 20
    tried = ComparisonFolder(tmp_path / "drawn").read().tried["repeats#0#20"]
    assert len(tried.rows) - len(set(tried.rows)) == 4 and tried.winner in tried.rows
    shown = comparison.resume(tmp_path / "drawn", workers=1)
    assert shown.readings == result.readings


def test_trainings_are_not_drawn_of_architectures(tmp_path: Path) -> None:
    stored_nasbench201.write(tmp_path / "figures.npz", made_nasbench201.made())
    request = CompareRequest(("random",), seeds=1, networks=(20,), trainings=5)
    with pytest.raises(UserError, match="not of NAS-Bench-201"):
        comparison.compare(tmp_path / "figures.npz", request, name="drawn", logs=tmp_path, workers=1)


def test_architectures_are_compared_by_latency_where_there_is_one(tmp_path: Path) -> None:
    plain = made_nasbench201.made()
    stored_nasbench201.write(tmp_path / "plain.npz", plain)
    request = CompareRequest(("random", "nsga2"), seeds=1, networks=(30,), objective="inference_time")
    with pytest.raises(UserError, match=r"inference_time is asked for, and .* has no latencies"):
        comparison.compare(tmp_path / "plain.npz", request, name="none", logs=tmp_path, workers=1)
    stored_nasbench201.write(tmp_path / "timed.npz", made_nasbench201.timed())
    result = comparison.compare(tmp_path / "timed.npz", request, name="timed", logs=tmp_path, workers=1)
    by_params = comparison.compare(
        tmp_path / "plain.npz", replace(request, objective="params"), name="params", logs=tmp_path, workers=1
    )
    # Of what never sees the predictors the same front, since latencies are params here.
    regrets = [
        [each.figures["hypervolume_regret"].mean for each in found.readings if each.method == "nsga2"]
        for found in (result, by_params)
    ]
    np.testing.assert_allclose(*regrets, rtol=1e-6)
    cells = made(2, 1)
    stored.write(tmp_path / "cells.npz", cells)
    asked = replace(request, latency=("phone", "hw.parquet"))
    with pytest.raises(UserError, match="has its own inference times"):
        comparison.compare(tmp_path / "cells.npz", asked, name="cells", logs=tmp_path, workers=1)


@pytest.mark.parametrize("given", ["phone", "=hw.parquet", "phone="])
def test_a_latency_is_written_with_its_device(table: Path, given: str, capsys) -> None:
    assert run(["bench", "compare", "-p", str(table), "--latency", given]) == 2
    assert "must be written DEVICE=FILE" in capsys.readouterr().err


def test_a_failed_training_is_no_result_and_no_judge(tmp_path: Path) -> None:
    table = made(2, 1)
    row = int(np.flatnonzero((table.repetitions == 3) & (table.num_blocks == 2))[0])
    table.failures[row, 1] = 0
    for name in ("metrics", "training_seconds", "inference_seconds"):
        getattr(table, name)[row, 1] = np.nan
    ground = ground_of(table, tmp_path)
    judge = Judge(ground)
    assert judge.worth[row, 0, 0] == pytest.approx(ground.scores[row, 2])
    failed = judge.figures(Tried((row,), (1,)), [1])
    assert np.isnan(failed["score_regret"][0]) and failed["hypervolume_regret"][0] == judge.whole
    assert judge.spent_seconds(Tried((row,), (1,)), 1) == 0


def test_seconds_count_what_was_trained_whole(tmp_path: Path) -> None:
    ground = ground_of(made(2, 1), tmp_path)
    judge = Judge(ground)
    rows = tuple(ground.open_rows[:3].tolist())
    tried = Tried(rows, (0, 0, 0))
    first, second, third = (float(ground.seconds[row, 0]) for row in rows)
    at = [0, first, first + second - 1e-6, first + second, 1e9]
    assert judge.numbers_within(tried, at) == [0, 1, 1, 2, 3]
    assert judge.spent_seconds(tried, 3) == pytest.approx(first + second + third)


def test_intervals_are_students() -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0])
    found = SeedMean.of(values)
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert SeedMean.of(values[:1]) == SeedMean(1.0, None, None)


# --- the whole job ---


@pytest.mark.slow
def test_it_is_the_same_for_any_number_of_workers(table: Path, tmp_path: Path) -> None:
    request = CompareRequest(methods=("search", "random"), seeds=2, networks=(12,))
    found = [
        comparison.compare(table, request, name=str(workers), logs=tmp_path, workers=workers)
        for workers in (1, 2)
    ]
    assert found[0].readings == found[1].readings
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_going_on_does_nothing_again_and_comes_to_the_same(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison.compare(table, FAST, name="whole", logs=tmp_path, workers=1)
    done = []
    tried = TrialContext.tried

    def some(self: TrialContext, trial: object) -> Tried:
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(trial)
        return tried(self, trial)  # type: ignore[arg-type]

    monkeypatch.setattr(TrialContext, "tried", some)
    with pytest.raises(KeyboardInterrupt):
        comparison.compare(table, FAST, name="cut", logs=tmp_path, workers=1)
    assert not (tmp_path / "cut" / "comparison.json").exists()
    again = []
    monkeypatch.setattr(TrialContext, "tried", lambda self, trial: again.append(trial) or tried(self, trial))
    comparison.resume(tmp_path / "cut", workers=1)
    assert len(done) + len(again) == 3 * (2 + 1 + 1) and not set(done) & set(again)
    assert contents(tmp_path / "whole") == contents(tmp_path / "cut")


@pytest.mark.slow
def test_after_a_kill_it_comes_to_the_same_bytes(table: Path, tmp_path: Path) -> None:
    options = ["--seeds", "4", "--networks", "10,20", "--workers", "1"]
    methods = [word for name in FAST.methods for word in ("--method", name)]
    command = [sys.executable, "-m", "popnas", "bench", "compare"]
    start = [*command, "-p", str(table), *options, *methods]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*start, "--name", "whole"], cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    child = subprocess.Popen(
        [*start, "--name", "killed"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    journal = tmp_path / "logs" / "killed" / "comparison" / "journal.jsonl"
    while child.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 4):
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert journal.read_bytes().count(b"\n") < 1 + 4 * 4, "it was to be killed before its end"
    subprocess.run(
        [*command, "-r", "logs/killed", "--workers", "2"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
    )
    assert contents(tmp_path / "logs" / "whole") == contents(tmp_path / "logs" / "killed")


def test_figures_are_those_of_the_table(table: Path, tmp_path: Path) -> None:
    result = comparison.compare(table, FAST, name="one", logs=tmp_path, workers=1)
    assert [(item.method, item.axis, item.at) for item in result.readings[:4]] == [
        ("progressive-random", "networks", 10.0),
        ("progressive-random", "networks", 20.0),
        ("progressive-random", "seconds", result.request.seconds[0]),
        ("progressive-random", "seconds", result.request.seconds[1]),
    ]
    ground = TrialContext(TrialSetup(str(table), FAST)).ground
    median = np.nanmedian(ground.seconds[ground.open_rows])
    assert result.request.seconds == pytest.approx((10 * median, 20 * median), rel=5e-3)
    randoms = [item for item in result.readings if (item.method, item.axis) == ("random", "networks")]
    assert [item.networks for item in randoms] == [10, 20]
    assert result.facts["sha256"] == stored.read(table).sha256
    written = json.loads((tmp_path / "one" / "comparison.json").read_text())
    assert written["readings"] == [item.to_json() for item in result.readings]


def test_a_named_configuration_is_compared_under_its_name(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wide.json").write_text('{"search_strategy": {"max_children": 4}}')
    status = run(
        ["bench", "compare", "-p", str(table), "--method", "progressive-random", "-j",
         f"wide={tmp_path / 'wide.json'}", "--set", "wide:others.accuracy_predictor_ensemble_units=1",
         "--set", "few:search_space.blocks=1", "--seeds", "1", "--networks", "12", "--workers", "1",
         "--name", "named", "--json"]
    )  # fmt: skip
    assert status == 0
    result = json.loads(capsys.readouterr().out)
    used = {item["method"]: item["networks"] for item in result["readings"] if item["axis"] == "networks"}
    # Seven cells of at most one block; K = 4 says how many more; of one block there are no more.
    assert used == {"progressive-random": 12, "wide": 11, "few": 7}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"methods": ("evolutoin",)}, "Did you mean 'evolution'"),
        ({"methods": ()}, "name one at least"),
        ({"seeds": 0}, "must be 1 to 1,000"),
        ({"networks": (1,)}, "must be 2 to 100,000"),
        ({"networks": ()}, "must be 2 to 100,000"),
        ({"seconds": (-1.0,)}, "more than 0"),
        ({"objective": "beauty"}, "one of time, params"),
        ({"epochs": 2}, "Choose one of: 1, 3"),
        ({"configs": (NamedConfig("search"),)}, "'search' is a method of its own"),
        ({"configs": (NamedConfig("x"), NamedConfig("x"))}, "'x' stands twice"),
        ({"configs": (NamedConfig("x", {}, ("search_space.block=2",)),)}, "blocks"),
        ({"configs": (NamedConfig("x", {}, ("search_space.blocks=9",)),)}, "at most 2"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(
    table: Path, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    request = CompareRequest(**{"methods": ("random",), **changes})  # type: ignore[arg-type]
    with pytest.raises(UserError) as caught:
        comparison.compare(table, request, name="wrong", logs=tmp_path)
    assert words in str(caught.value)
    assert not (tmp_path / "wrong").exists()


def test_another_table_in_its_place_is_refused(table: Path, tmp_path: Path) -> None:
    comparison.compare(table, FAST, name="one", logs=tmp_path, workers=1)
    stored.write(table, made(2, 1, seed=1))
    with pytest.raises(DataError, match="not the table"):
        comparison.resume(tmp_path / "one", workers=1)


def test_without_optuna_the_extra_is_named(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r'pip install "popnas\[bench\]"'):
        comparison.compare(table, CompareRequest(), name="wrong", logs=tmp_path)
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective": "flops"}, "has no figures of it. Choose among: time, inference_time, params."),
        ({"blocks": 2}, "searched whole"),
        ({"epochs": 13}, "must be 12 or 200"),
        ({"data_set": "cifar99"}, "Did you mean 'cifar10'"),
    ],
)
def test_mistakes_about_a_benchmark_are_told_before_anything_is_made(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    stored_nasbench201.write(tmp_path / "nasbench201.npz", made_nasbench201.made())
    request = CompareRequest(**{"methods": ("random",), **changes})  # type: ignore[arg-type]
    with pytest.raises(UserError) as caught:
        comparison.compare(tmp_path / "nasbench201.npz", request, name="wrong", logs=tmp_path)
    assert words in str(caught.value)
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize("objective", ["params", "flops", "inference_time"])
def test_the_hypervolume_is_of_the_objective_that_is_named(table: Path, objective: str) -> None:
    ground = TrialContext(TrialSetup(str(table), CompareRequest(objective=objective))).ground
    known = stored.read(table)
    named = {"inference_time": known.inference_seconds}.get(objective)
    expected = known.__dict__[objective][:, None] * np.ones((1, 3)) if named is None else named
    is_there = np.isfinite(ground.scores)
    np.testing.assert_array_equal(ground.costs[is_there], expected[is_there].astype(np.float64))
    assert np.isnan(ground.costs[~is_there]).all()


def test_a_setting_without_effect_is_told(table: Path, tmp_path: Path) -> None:
    told: list[object] = []
    request = CompareRequest(methods=("random",), seeds=1, networks=(5,), data_set="cifar100")
    comparison.compare(table, request, name="one", logs=tmp_path, workers=1, tell=told.append)
    warnings = [event.text for event in told if isinstance(event, Warned)]
    assert any("`data_set` cifar100: has no effect" in text for text in warnings)
    assert any("begins with the 7 cells of at most one block: with 5 networks" in text for text in warnings)


@pytest.mark.parametrize("exploring", [1, 4000])
def test_the_most_networks_that_can_be_asked_for_are_planned(table: Path, exploring: int) -> None:
    """With as many cells a step as a configuration may ask for."""
    request = CompareRequest(networks=(100_000,))
    request.check()
    named = NamedConfig("many", {"search_strategy": {"max_exploration_children": exploring}}, ())
    base = progressive.default_config(table, request, 0)
    for config in (None, named):
        found = progressive.planned(base, config, 100_000).search_strategy
        assert found.max_children == MOST_CHILDREN >= found.max_exploration_children


def test_the_folder_of_a_table_is_answered_with_what_was_meant(table: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"Give the table in it: {table}"):
        comparison.compare(table.parent, FAST, name="a", logs=tmp_path / "logs")
    with pytest.raises(RunFolderError, match=r"is no folder in which .* a comparison"):
        comparison.resume(table.parent)
    assert [path.name for path in table.parent.iterdir()] == [table.name]


def test_a_file_that_is_no_table_is_answered_with_both_that_are(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"x")
    with pytest.raises(DataError, match=r"bench build.*bench nasbench201"):
        comparison.compare(tmp_path / "x.npz", FAST, name="wrong", logs=tmp_path)
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-p", "x.npz", "--networks", "60;100"], "numbers with commas"),
        (["-p", "x.npz", "--set", "search_space.blocks=2"], "NAME:a.b=V"),
        (["-p", "x.npz", "-j", "wide.json"], "NAME=FILE"),
        (["-p", "x.npz", "-j", "wide=nowhere.json"], "cannot be read"),
        ([], "-p TABLE"),
        (["-r", "x", "--seeds", "3"], "leave out --seeds"),
        (["-r", "nowhere"], "does not exist"),
    ],
)
def test_the_command_line_is_answered(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "compare", *words]) == 2
    assert told in capsys.readouterr().err
