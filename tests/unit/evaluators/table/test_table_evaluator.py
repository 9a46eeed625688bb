"""A search over a table: every figure is the table's, and what the table has not is told before the start."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas import evaluators
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.errors import ConfigError, DataError, UserError
from popnas.evaluation import CandidateJob, Measured
from popnas.evaluators.table import TableEvaluator, lookup, stored
from popnas.evaluators.table.stored import CellTable
from popnas.events import CandidateFinished, JobEvent, Told, Warned
from popnas.executors import Worker
from popnas.runs import RunFolder, search_content
from popnas.workflows.searching import finish, predictions
from popnas.workflows.searching.plan import plan
from popnas.workflows.searching.search import resume, search
from popnas.workflows.settings import load_config

sys.path.insert(0, str(Path(__file__).parents[1]))
from made_tables import EPOCHS, OPERATORS, made, rows_of

Document = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A whole table of three blocks, and one with a fifth of its cells of three blocks."""
    folder = tmp_path_factory.mktemp("tables")
    whole = made(3, 1)
    kept = np.flatnonzero((whole.num_blocks < 3) | (np.arange(len(whole.cells)) % 5 == 0))
    without = np.flatnonzero(np.arange(len(whole.cells)) != 3)
    found = {"whole": whole, "sampled": rows_of(whole, kept), "without": rows_of(whole, without)}
    for name, table in found.items():
        stored.write(folder / f"{name}.npz", table)
    return {name: folder / f"{name}.npz" for name in found}


@pytest.fixture
def no_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the report is not looked at."""
    monkeypatch.setattr(finish, "views", lambda *_: None)


@pytest.fixture
def document(tables: dict[str, Path]) -> Document:
    def make(table: str = "whole", **changes: Any) -> dict[str, Any]:
        content: dict[str, Any] = {
            "search_space": {"blocks": 3, "lookback_depth": 1, "operators": list(OPERATORS)},
            "search_strategy": {"max_children": 4, "max_exploration_children": 2},
            "training_hyperparameters": {"epochs": 3},
            "dataset": {"type": "image_classification", "path": str(tables[table])},
            "others": {"evaluator": "table", "accuracy_predictor_ensemble_units": 1, "seed": 3},
        }
        for place, value in changes.items():
            section, key = place.split("__")
            content[section][key] = value
        return content

    return make


def evaluated(config: RunConfig, cell: str, seed: int) -> Measured:
    evaluator = evaluators.create(config)
    context = lookup.setup(json.loads(json.dumps(evaluator.payload(None, None))), Worker())
    return Measured.from_json(lookup.evaluate(context, CandidateJob(cell, 1, 0, seed).to_json()))


def test_a_candidate_is_one_of_the_trainings_of_its_cell(document: Document, tables: dict[str, Path]) -> None:
    table = stored.read(tables["whole"])
    config = load_config(
        document(training_hyperparameters__epochs=1, search_strategy__score_metric="f1_score")
    )
    cell = "[(-1, 1x1 conv, -1, 3x3 conv)]"
    row = [found.key for found in table.space.decode(table.cells)].index(cell)
    scores = set()
    for seed in range(7):
        found = evaluated(config, cell, seed)
        training = seed % table.repetitions[row]
        assert found.metrics == pytest.approx(
            dict(zip(("accuracy", "f1_score"), table.metrics[row, training, 0].tolist(), strict=True)),
            abs=1e-7,
        )
        assert np.float32(found.score) == table.metrics[row, training, 0, 1]
        assert np.float32(found.training_seconds) == table.training_seconds[row, training, 0]
        assert np.float32(found.inference_seconds) == table.inference_seconds[row, training]
        assert (found.params, found.flops) == (table.params[row], table.flops[row])
        scores.add(found.score)
    assert len(scores) == table.repetitions[row] == 3


def test_a_training_that_failed_fails_again(
    document: Document, tables: dict[str, Path], tmp_path: Path
) -> None:
    table = stored.read(tables["whole"])
    failures = table.failures.copy()
    failures[1] = 0
    stored.write(tmp_path / "failed.npz", replace(table, failures=failures))
    config = load_config(document(dataset__path=str(tmp_path / "failed.npz")))
    found = evaluated(config, "[(-1, 1x1 conv, -1, 1x1 conv)]", 0)
    assert (found.error_kind, found.score, found.params) == ("nan", None, table.params[1])


def test_a_search_of_a_whole_table(document: Document, tables: dict[str, Path], tmp_path: Path) -> None:
    told: list[JobEvent] = []
    run = search(document(), name="run", logs=tmp_path, tell=told.append).folder
    assert [event for event in told if isinstance(event, Told | Warned)] == []
    state = RunFolder.open(run).state()
    assert state.finish_reason == "completed" and state.finished_steps == {0, 1, 2, 3}
    config = load_config(document())
    for evaluation in state.evaluations:
        assert evaluation.score == evaluated(config, evaluation.cell, evaluation.seed).score
    assert state.data == evaluators.create(config).facts()
    assert config.others.executor.kind == "inline"
    assert not (run / "best_model").exists() and (run / "report.html").is_file()


@pytest.mark.usefixtures("no_views")
def test_an_interrupted_one_goes_on_to_the_same_wherever_it_looks(document: Document, tmp_path: Path) -> None:
    whole = search(document(), name="whole", logs=tmp_path).folder

    def interrupt(event: JobEvent) -> None:
        if isinstance(event, CandidateFinished) and (event.evaluation.step, event.evaluation.index) == (2, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(document(), name="cut", logs=tmp_path, tell=interrupt)
    cut = resume(tmp_path / "cut", sets=['others.executor={"kind": "processes", "workers": 2}']).folder
    contents = [search_content(RunFolder.open(folder).journal.events()) for folder in (whole, cut)]
    assert contents[0] == contents[1]


@pytest.mark.usefixtures("no_views")
def test_of_a_sampled_step_only_what_is_there_is_chosen(
    document: Document, tables: dict[str, Path], tmp_path: Path
) -> None:
    told: list[JobEvent] = []
    run = search(document("sampled"), name="run", logs=tmp_path, tell=told.append).folder
    (warning,) = [event.text for event in told if isinstance(event, Warned)]
    assert "holds 729 of the 3,647 cells of 3 blocks: step 3 chooses among those" in warning
    state = RunFolder.open(run).state()
    assert len([item for item in state.evaluations if item.step == 3]) > 0
    table = stored.read(tables["sampled"])
    known = {cell.key for cell in table.space.decode(table.cells)}
    assert {item.cell for item in state.evaluations} <= known
    predicted = RunFolder.open(run).load_predictions(3, state.predictions[3, 0].sha256)["cells"]
    assert {cell.key for cell in table.space.decode(predicted)} <= known
    assert len(predicted) < state.predictions[3, 0].num_expansions


@pytest.mark.usefixtures("no_views")
def test_a_step_of_which_nothing_is_there_ends_the_search(
    document: Document, tables: dict[str, Path], tmp_path: Path
) -> None:
    table = stored.read(tables["whole"])
    none = rows_of(table, np.flatnonzero((table.num_blocks < 3) | (np.arange(len(table.cells)) == 4000)))
    assert none.held.tolist() == [1, 6, 111, 0]
    stored.write(tmp_path / "none.npz", none)
    content = document(dataset__path=str(tmp_path / "none.npz"))
    assert search(content, name="run", logs=tmp_path).reason == "no_candidates"
    folder = RunFolder.open(tmp_path / "run")
    predictions.write_csv(folder, folder.state(), folder.state().predictions[3, 0])
    assert len((folder.csv / "predictions_B3.csv").read_text().splitlines()) == 1
    planned = plan(load_config(content))
    assert [step.step for step in planned.steps] == [0, 1, 2]
    assert planned.warnings[-1].startswith("the search ends before step 3")


def test_it_is_planned_from_what_stands_in_the_table(document: Document, tables: dict[str, Path]) -> None:
    table = stored.read(tables["sampled"])
    planned = plan(load_config(document("sampled")))
    assert [step.step for step in planned.steps] == [0, 1, 2, 3]
    params = table.params[table.num_blocks == 3]
    low, high = planned.steps[3].params
    assert params.min() <= low < high <= params.max()
    assert planned.data["cells_by_blocks"] == {"0": 1, "1": 6, "2": 111, "3": 729}
    assert planned.epoch_seconds is None and planned.num_workers == 1


def test_the_forecast_is_the_mean_of_a_cells_trainings(document: Document, tables: dict[str, Path]) -> None:
    table = stored.read(tables["whole"])
    evaluator = evaluators.create(load_config(document()))
    assert isinstance(evaluator, TableEvaluator)
    expected = evaluator.forecast(print).expect(table.cells[:50])
    means = np.nanmean(table.training_seconds[:50, :, EPOCHS.index(3)], axis=1)
    np.testing.assert_allclose(expected.measured["time"], means, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"search_space__operators": ["identity", "5x5 conv"]},
            r"search_space.operators\[1\]: .*no cells with '5x5",
        ),
        ({"search_space__blocks": 4}, "search_space.blocks: must be at most 3, as in .*, got 4"),
        ({"search_space__lookback_depth": 2}, "search_space.lookback_depth: must be at most 1"),
        ({"training_hyperparameters__epochs": 2}, "no figures after 2 epochs. Choose one of: 1, 3"),
        ({"dataset__path": None}, "dataset.path: must name the file of a table"),
    ],
)
def test_what_the_table_has_not_is_told_before_the_start(
    changes: dict[str, Any], words: str, document: Document, tmp_path: Path
) -> None:
    config = load_config(document(**changes))
    with pytest.raises(ConfigError, match=words):
        search(config, name="run", logs=tmp_path)
    assert not (tmp_path / "run").exists()


def test_a_metric_that_the_table_has_not_is_told(document: Document, tmp_path: Path) -> None:
    stored.write(tmp_path / "other.npz", replace(made(3, 1), metric_names=np.array(["accuracy", "recall"])))
    content = document(dataset__path=str(tmp_path / "other.npz"), search_strategy__score_metric="f1_score")
    with pytest.raises(
        ConfigError, match=r"search_strategy.score_metric: .*'f1_score'.*It has: accuracy, recall"
    ):
        evaluators.create(load_config(content))


def test_all_that_is_missing_comes_at_once(document: Document) -> None:
    config = load_config(document(search_space__blocks=9, training_hyperparameters__epochs=7))
    with pytest.raises(ConfigError) as found:
        evaluators.create(config)
    assert {problem.place for problem in found.value.problems} == {
        "search_space.blocks",
        "training_hyperparameters.epochs",
    }


@pytest.mark.usefixtures("no_views")
def test_a_table_without_a_single_block_cell_is_refused(document: Document, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"lacks 1 of the 7 cells .*\(\[\(-1, 1x1 conv, -1, identity\)\]\)"):
        search(document("without"), name="run", logs=tmp_path)
    # A space without that cell is whole.
    fewer = document("without", search_space__operators=["1x1 conv", "3x3 conv"], search_space__blocks=1)
    assert search(fewer, name="fewer", logs=tmp_path).reason == "completed"


def test_confirmations_say_that_they_repeat_trainings(document: Document) -> None:
    (warning,) = evaluators.create(load_config(document(others__confirm=True))).check()
    assert warning.startswith("others.confirm: ") and "has 3 trainings of a cell at most" in warning


@pytest.mark.usefixtures("no_views")
def test_a_run_goes_on_where_its_table_was_moved_and_not_with_another(
    document: Document, tables: dict[str, Path], tmp_path: Path
) -> None:
    here, there = tmp_path / "here.npz", tmp_path / "there.npz"
    here.write_bytes(tables["whole"].read_bytes())

    def interrupt(event: JobEvent) -> None:
        if isinstance(event, CandidateFinished) and event.evaluation.step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(document(dataset__path=str(here)), name="run", logs=tmp_path, tell=interrupt)
    other = replace(made(3, 1), params=made(3, 1).params + 1)
    stored.write(there, other)
    with pytest.raises(DataError, match="not the table that this run was started with"):
        resume(tmp_path / "run", sets=[f"dataset.path={there}"])
    here.rename(there)
    assert resume(tmp_path / "run", sets=[f"dataset.path={there}"]).reason == "completed"


def test_a_search_without_predictions_loads_no_torch(document: Document, tmp_path: Path) -> None:
    import subprocess

    content = json.dumps(document(search_space__blocks=1))
    program = (
        "import json, sys; from popnas.workflows.searching.search import search\n"
        "search(json.loads(sys.argv[1]), name='run'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, content], cwd=tmp_path, check=True)


def test_cells_by_text_and_by_array_agree(document: Document, tables: dict[str, Path]) -> None:
    evaluator = evaluators.create(load_config(document()))
    table: CellTable = stored.read(tables["whole"])
    cell = Cell.parse("[(-1, 1x1 conv, -1, 3x3 conv);(0, identity, -1, 3x3 conv)]")
    row = [found.key for found in table.space.decode(table.cells)].index(cell.key)
    cells_1B4 = evaluator.space.encode([cell], 3)
    assert evaluator.costs(cells_1B4)["flops"].tolist() == [table.flops[row]]
    assert evaluator.cells_stacked(cells_1B4).tolist() == [table.cells_stacked[row]]
