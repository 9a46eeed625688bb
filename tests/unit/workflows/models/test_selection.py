"""Model selection: which cells, what is written, and how it goes on after an interruption."""

import csv
import json
import re
import shlex

import numpy as np
import pytest
from click.testing import CliRunner

import popnas
from popnas import executors
from popnas.cells import Cell
from popnas.cli.jobs.select import _print
from popnas.cli.main import cli
from popnas.errors import ConfigError, OperatorError, PopnasError, RunFolderError, UserError
from popnas.evaluation import Evaluation
from popnas.events import ModelFinished, Told, Warned
from popnas.executors.inline import InlineExecutor
from popnas.export.model_values import OnnxCheck
from popnas.report.sections import references
from popnas.runs import RunFolder
from popnas.storage import write_bytes
from popnas.workflows.models import final_training, macro_variants, requests, selection, training
from popnas.workflows.models.choices import CellChoice, NetworkChoice, StageChanges
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.selection import best_of, chosen_cells, read_selection, select
from popnas.workflows.settings import load_config

BEST = "[(-2, 3x3 conv, -1, 3x3 conv)]"


@pytest.fixture(autouse=True)
def cheap_files(monkeypatch):
    def export(network, preprocessing, path):
        write_bytes(path, b"onnx")
        return OnnxCheck(0.0, [1], [[8, 8]], False, "trace", 18)

    monkeypatch.setattr(training.files, "export_onnx", export)
    monkeypatch.setattr(training.files, "write_confusion", lambda *arguments: None)


class Heard:
    def __init__(self):
        self.messages, self.finished = [], []

    def __call__(self, event):
        match event:
            case Told(text) | Warned(text):
                self.messages.append(text)
            case ModelFinished(folder):
                self.finished.append(folder.name)


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_best_cells_are_selected_never_the_empty_nor_failed_ones(run):
    folder = RunFolder.open(run)
    cells = [str(cell) for cell in chosen_cells(folder, 10, is_from_front=False)]
    assert cells == [
        BEST,
        "[(-1, 3x3 conv, -1, identity)]",
        "[(-2, 3x3 conv, -1, identity)]",
        "[(-1, identity, -1, identity)]",
    ]
    assert [str(cell) for cell in chosen_cells(folder, 2, is_from_front=False)] == cells[:2]


def test_the_front_can_be_selected_from(run):
    # Time falls with the index: the last cell is the fastest, the third has the best score.
    found = [str(cell) for cell in chosen_cells(RunFolder.open(run), 10, is_from_front=True)]
    assert found == [BEST, "[(-1, 3x3 conv, -1, identity)]"]


def test_equal_scores_are_taken_in_canonical_order(searched):
    cells = ["[(-1, identity, -1, identity)]", "[(-2, 3x3 conv, -1, identity)]", BEST]
    searched.make(dict.fromkeys(cells, 0.5))
    found = chosen_cells(RunFolder.open(searched.path), 3, is_from_front=False)
    assert found == sorted(map(Cell.parse, cells), key=lambda cell: cell.sort_key)


@pytest.mark.parametrize("cells", [{}, {"[]": 0.9}, {BEST: None}])
def test_a_run_without_trained_cells_is_told(searched, cells, partial):
    run = searched.make(cells)
    with pytest.raises(UserError, match="popnas search -r"):
        select(run, partial=partial)
    assert not (run / "model_selection").exists()


def test_a_selection_leaves_models_and_a_table(run, partial):
    heard = Heard()
    result = select(run, CellChoice(2, params="1000;1900"), partial=partial, tell=heard)

    table = rows(run / "model_selection" / "training_results.csv")
    assert list(table[0]) == ["cell_spec", "m", "n", "f", "best_epoch", "val_score", "training_time"]
    assert len(table) == len(result.models) == len(heard.finished)
    assert [table[0][name] for name in ("cell_spec", "m", "n", "f")] == [BEST, "2", "1", "4"]
    for number, (model, row) in enumerate(zip(result.models, table, strict=True)):
        expected = f"{number}-m{row['m']}-n{row['n']}-f{row['f']}"
        assert model.folder == run / "model_selection" / expected
        assert float(row["val_score"]) == model.score
        assert 1 <= int(row["best_epoch"]) <= 3
        assert float(row["training_time"]) > 0
        assert 1000 < model.params < 1900 or (model.motifs, model.normal_cells, model.filters) == (2, 1, 4)
    assert result.best.score == max(model.score for model in result.models)
    assert result.reason == "completed"


def test_known_networks_are_trained_beside_the_found_ones_and_compared(run, partial):
    heard = Heard()
    result = select(run, CellChoice(1, has_references=True), partial=partial, tell=heard)
    found, known = result.models
    assert (found.reference, known.reference) == (None, "residual")
    assert known.cell == "[(-1, 3x3-3x3 conv, -1, identity)]"
    assert known.folder.name == f"1-m2-n1-f{known.filters}-residual"
    assert (
        known.params
        <= found.params
        < macro_variants.like(
            Cell.parse(known.cell), ModelFolder(known.folder).description().network, 4 * found.params
        ).params
    )
    compared = references.read(run / "model_selection")
    assert compared is not None and compared.verdict in heard.messages
    assert any("augmented otherwise than in the search" in text for text in heard.messages)
    assert (compared.found.score, compared.references[0].score) == (found.score, known.score)
    again = select(run, CellChoice(1, has_references=True), partial=partial)
    assert [model.folder for model in again.models] == [model.folder for model in result.models]


def series(searched, tmp_path, *, has_lengths):
    """A run on series of two channels whose first says the class; they may end at different times."""
    generator = np.random.default_rng(0)
    y = np.arange(40) % 2
    x = generator.normal(size=(40, 12, 2)).astype(np.float32)
    x[:, :, 0] = 0.1 * x[:, :, 0] + np.sin(np.arange(12) * (1 + y[:, None]))
    lengths = np.where(np.arange(40) % 3, 12, 9)
    if has_lengths:
        x[np.arange(12) >= lengths[:, None]] = 0
    (tmp_path / "series").mkdir()
    for name, part in (("train", slice(0, 30)), ("test", slice(30, 40))):
        ends = {"lengths": lengths[part]} if has_lengths else {}
        np.savez(tmp_path / "series" / f"{name}.npz", x=x[part], y=y[part], **ends)
    searched.config["search_space"]["operators"] = ["identity", "3 conv"]
    searched.config["dataset"] = {
        "type": "time_series_classification",
        "path": str(tmp_path / "series"),
        "validation_size": 0.3,
        "batch_size": 16,
    }
    return searched.make({"[(-1, 3 conv, -1, identity)]": 0.5})


@pytest.mark.parametrize("has_lengths", [pytest.param(False, marks=pytest.mark.slow), True])
def test_of_series_the_best_may_be_random_kernels_which_train_and_open_as_any_network(
    searched, tmp_path, has_lengths, monkeypatch, partial, capsys
):
    monkeypatch.undo()  # the files are real
    monkeypatch.setattr(selection.references, "kernel_features", lambda spec, num_examples: 3)
    run = series(searched, tmp_path, has_lengths=has_lengths)
    del partial["dataset"]
    result = select(run, CellChoice(1, has_references=True), partial=partial, name="known")
    known = ["inception", "random_kernels", "random_kernels_differences"]
    assert [model.reference for model in result.models] == [None, *known]
    assert result.best.reference == "random_kernels" and result.best.score == 1.0
    # The command that is printed of a selection with a name trains what won it.
    _print(run, "known", result)
    words = shlex.split(capsys.readouterr().out.splitlines()[-1].rpartition("with: ")[2])
    (tmp_path / "partial.json").write_text(json.dumps(partial))
    told = CliRunner().invoke(cli, [*words[1:], "-j", str(tmp_path / "partial.json")], catch_exceptions=False)
    assert told.exit_code == 0 and "Trained for 1 epoch." in told.output
    # Other filters would be another network than was judged.
    heard, wider = Heard(), {**partial, "architecture_hyperparameters": {"filters": 48}}
    choice = NetworkChoice(selection="known")
    again = final_training.train(run, choice, partial=wider, name="wider", tell=heard)
    assert ModelFolder(again.folder).description().network.filters == 3
    assert any("filters 48 has no effect here" in told for told in heard.messages)
    with pytest.raises(UserError, match=r"`selection` 'other': .*with names in this run: known\."):
        final_training.train(run, NetworkChoice(selection="other"), partial=partial)
    with pytest.raises(UserError, match="leave it out, or `cell`"):
        NetworkChoice(cell="[]", selection="known")
    model = popnas.load(run)
    known = ModelFolder(run / "final_training").description()
    assert (known.cell, known.network.macro) == ("[]", "random_kernels")
    with np.load(tmp_path / "series" / "test.npz") as test:
        ends = test["lengths"] if has_lengths else np.full(10, 12)
        x = [each[:end].T for each, end in zip(test["x"], ends, strict=True)]
        assert (model.predict(x) == test["y"]).mean() > 0.8
        other = popnas.load(run, backend="torch")
        assert np.abs(other.predict_proba(x) - model.predict_proba(x)).max() < 1e-4


def test_models_that_cannot_be_found_in_a_range_are_told_and_the_original_is_trained(run, partial):
    heard = Heard()
    result = select(run, CellChoice(1, params="10;20"), partial=partial, tell=heard)
    assert [(model.motifs, model.normal_cells, model.filters) for model in result.models] == [(2, 1, 4)]
    assert any("The nearest" in message for message in heard.messages)
    assert any("no wider or deeper network, for none is of the params" in told for told in heard.messages)


def test_a_given_cell_need_not_be_of_the_search(run, partial):
    result = select(run, CellChoice(cell="[(-1, 3x3 dconv, -1, 2x2 maxpool)]"), partial=partial)
    assert [model.cell for model in result.models] == ["[(-1, 2x2 maxpool, -1, 3x3 dconv)]"]


@pytest.mark.parametrize(
    ("cell", "error", "expected"),
    [
        ("[(-1, 3x3 conv, -1", UserError, "`cell`"),
        ("[(-1, 3x3 conf, -1, identity)]", OperatorError, "`cell`.*3x3 conf"),
        ("[(-1, lstm, -1, identity)]", OperatorError, "`cell`.*lstm"),
        ("[(-1, 7 conv, -1, identity)]", OperatorError, "`cell`.*7 conv"),
        ("[]", UserError, "`cell`.*empty cell"),
    ],
)
def test_a_given_cell_that_cannot_be_trained_is_told(run, partial, cell, error, expected):
    with pytest.raises(error, match=expected):
        select(run, CellChoice(cell=cell), partial=partial)
    assert not (run / "model_selection").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        ({"cells": CellChoice(params="5;1")}, UserError, "reversed"),
        ({"name": "../other"}, UserError, "`name`"),
        ({"name": "0-m3-n2-f24"}, UserError, "`name`"),
        ({"name": ".hidden"}, UserError, "`name`"),
        ({"partial": {"training_hyperparameters": {"epoch": 3}}}, ConfigError, "epochs"),
        ({"partial": "model_selection_trainin"}, ConfigError, "model_selection_training"),
        ({"changes": StageChanges(train_strategy="cpu")}, ConfigError, "train_strategy"),
        (
            {"changes": StageChanges(train_strategy="TPU")},
            UserError,
            "'TPU' cannot be had.*train_strategy 'auto'",
        ),
    ],
)
def test_mistakes_are_told_before_anything_is_written(run, partial, arguments, error, expected):
    with pytest.raises(error, match=expected):
        select(run, **{"cells": CellChoice(1), "partial": partial, **arguments})
    assert not (run / "model_selection").exists()


def test_no_cells_at_all_cannot_be_asked_for():
    with pytest.raises(UserError, match="`num_cells` must be at least 1, got 0"):
        CellChoice(0)


def test_no_run_there_is_told(tmp_path):
    with pytest.raises(RunFolderError, match="does not exist"):
        select(tmp_path / "nowhere")


def test_another_batch_size_scales_the_learning_rate(config):
    base = load_config(config())
    partial = {"training_hyperparameters": {"learning_rate": 0.02}}
    assert requests.stage_config(base, partial).training_hyperparameters.learning_rate == 0.02
    doubled = requests.stage_config(base, partial, StageChanges(batch_size=64))
    assert doubled.dataset.batch_size == 64
    assert doubled.training_hyperparameters.learning_rate == pytest.approx(0.04)
    halved = requests.stage_config(base, {**partial, "dataset": {"batch_size": 16}})
    assert halved.training_hyperparameters.learning_rate == pytest.approx(0.01)


def test_an_interrupted_selection_trains_only_what_is_left(run, partial, monkeypatch):
    calm = select(run, CellChoice(3), partial=partial, name="calm")
    trained = []
    original = training.train_model

    def counting(job, dataset, on_epoch=None):
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(job.cell)
        return original(job, dataset, on_epoch)

    with monkeypatch.context() as patch:
        patch.setattr(training, "train_model", counting)
        with pytest.raises(KeyboardInterrupt):
            select(run, CellChoice(3), partial=partial)
    heard = Heard()
    resumed = select(run, CellChoice(3), partial=partial, tell=heard)
    assert len(heard.finished) == 2
    assert len(read_selection(run / "model_selection")) == 3
    for one, other in zip(calm.models, resumed.models, strict=True):
        for name in ("weights.safetensors", "model.json"):
            assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()
    again = Heard()
    assert select(run, CellChoice(3), partial=partial, tell=again).best == resumed.best
    assert again.finished == []


def test_a_selection_of_other_settings_is_not_mixed_in(run, partial):
    select(run, CellChoice(1), partial=partial)
    with pytest.raises(RunFolderError, match=r"other settings.*`name`"):
        select(run, CellChoice(2), partial=partial)
    with pytest.raises(RunFolderError, match="other settings"):
        select(run, CellChoice(1), partial=partial, changes=StageChanges(batch_size=16))
    select(run, CellChoice(1), partial=partial, name="small_batches", changes=StageChanges(batch_size=16))
    assert (run / "model_selection" / "small_batches" / "0-m2-n1-f4" / "model.json").is_file()


def test_a_failed_model_is_a_result_and_all_failing_is_told(run, partial, monkeypatch):
    original = training.train_model

    def failing(job, dataset, on_epoch=None):
        if job.cell == BEST:
            raise selection_failure
        return original(job, dataset, on_epoch)

    from popnas.errors import CandidateFailed

    selection_failure = CandidateFailed("nan", "the training diverged")
    monkeypatch.setattr(training, "train_model", failing)
    result = select(run, CellChoice(2), partial=partial)
    assert result.models[0].error == "the training diverged"
    assert result.best == result.models[1]
    table = rows(run / "model_selection" / "training_results.csv")
    assert (table[0]["best_epoch"], table[0]["val_score"], table[0]["training_time"]) == ("", "", "")
    with pytest.raises(PopnasError, match="the training diverged"):
        select(run, CellChoice(cell=BEST), partial=partial, name="alone")


def test_the_known_network_has_its_turn_before_a_time_limit_ends_it(run, partial):
    heard = Heard()
    limited = {**partial, "others": {"max_hours": 1.0, "executor": {"kind": "inline"}}}
    select(run, CellChoice(3, has_references=True), partial=limited, tell=heard)
    assert len(heard.finished) == 4
    assert heard.finished[0].startswith("0-") and heard.finished[1].endswith("-residual")


def test_what_is_fitted_in_seconds_is_never_left_out(searched, tmp_path, monkeypatch, partial):
    monkeypatch.setattr(selection.references, "kernel_features", lambda spec, num_examples: 3)
    run, heard = series(searched, tmp_path, has_lengths=False), Heard()
    limited = {**partial, "others": {"max_hours": 1.0, "executor": {"kind": "inline"}}}
    del limited["dataset"]
    select(run, CellChoice(1, has_references=True), partial=limited, tell=heard)
    assert all("random_kernels" in name for name in heard.finished[:2])
    assert heard.finished[2].startswith("0-") and heard.finished[3].endswith("-inception")


def test_the_time_limit_leaves_models_out_and_a_later_call_trains_them(run, partial):
    limited = {**partial, "others": {"max_hours": 1e-9}}
    told = []
    first = select(run, CellChoice(2), partial=limited, tell=told.append)
    left_out = f"1 model of 2 had no time to be trained: {first.models[1].folder.name}."
    assert Told(left_out) in told
    assert first.reason == "max_hours"
    assert [model.trained is None for model in first.models] == [False, True]
    assert first.models[0].trained.stopped == "max_hours"
    second = select(run, CellChoice(2), partial=partial)
    assert [model.trained.num_epochs for model in second.models] == [3, 3]  # the one that was stopped goes on
    assert second.reason == "completed"


def test_networks_share_a_limit_and_each_goes_through_its_whole_schedule(run, partial):
    training = {**partial["training_hyperparameters"], "epochs": 50_000}
    training["optimizer"] = {"scheduler": "cd: 0 alpha"}
    limits = {"max_hours": 3 / 3600, "executor": {"kind": "inline"}}
    found = select(
        run, CellChoice(2), partial={**partial, "training_hyperparameters": training, "others": limits}
    )
    assert [model.trained.stopped for model in found.models] == ["max_hours"] * 2
    for model in found.models:
        rates = [epoch["learning_rate"] for epoch in ModelFolder(model.folder).log().epochs]
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < 0.1 * rates[0]


def test_ties_go_to_fewer_params(run, partial):
    result = select(run, CellChoice(2), partial=partial)
    from dataclasses import replace

    one = result.models[0]
    same = [replace(one, params=200), replace(one, params=100), replace(one, trained=None)]
    assert best_of(same).params == 100
    assert best_of([same[2]]) is None


def test_a_damaged_plan_is_told(run, partial):
    select(run, CellChoice(1), partial=partial)
    (run / "model_selection" / "selection.json").write_text(json.dumps({"models": [{}]}))
    with pytest.raises(RunFolderError, match=r"selection\.json"):
        read_selection(run / "model_selection")


def find_better(run, cell):
    """The search goes on and finds a cell that is better than all."""
    found = Evaluation(
        cell=cell, step=1, index=9, is_exploration=False, seed=0, score=0.95, metrics={"accuracy": 0.95},
        training_seconds=1.0, inference_seconds=0.01, params=100, flops=1000,
    )  # fmt: skip
    with RunFolder.open(run).journal as journal:
        journal.append("evaluation", found.content(), {})


def test_renewing_adds_the_cells_that_are_best_now_and_keeps_what_was_trained(run, partial):
    better = "[(-2, identity, -1, identity)]"
    first = select(run, CellChoice(2), partial=partial)
    find_better(run, better)

    heard = Heard()
    kept = select(run, CellChoice(2), partial=partial, tell=heard)
    assert [model.cell for model in kept.models] == [model.cell for model in first.models]
    assert heard.finished == []
    (stale,) = [text for text in heard.messages if "is not that of the search as it is now" in text]
    assert f"popnas select -p {run} --renew" in stale

    heard = Heard()
    renewed = select(run, CellChoice(2), partial=partial, renew=True, tell=heard)
    assert renewed.models[:2] == first.models
    assert [model.cell for model in renewed.models[2:]] == [better]
    assert heard.finished == [renewed.models[2].folder.name] == ["2-m2-n1-f4"]

    heard = Heard()
    again = select(run, CellChoice(2), partial=partial, renew=True, tell=heard)
    assert (again.models, heard.finished) == (renewed.models, [])
    assert not [text for text in heard.messages if "as it is now" in text]


def test_renewing_never_takes_other_settings_for_the_same(run, partial):
    select(run, CellChoice(1), partial=partial)
    find_better(run, "[(-2, identity, -1, identity)]")
    before = (run / "model_selection" / "selection.json").read_bytes()
    with pytest.raises(RunFolderError, match="other settings"):
        select(run, CellChoice(2), partial=partial, renew=True)
    assert (run / "model_selection" / "selection.json").read_bytes() == before


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"cell": BEST, "num_cells": 5}, "`cell` trains the one cell"),
        ({"cell": BEST, "source": "best"}, "leave out `num_cells` and `source`"),
        ({"source": "frnt"}, "'best', 'front', got 'frnt'. Did you mean 'front'"),
    ],
)
def test_a_choice_that_contradicts_itself_is_refused(choice, expected):
    with pytest.raises(UserError, match=re.escape(expected)):
        CellChoice(**choice)


def test_models_are_trained_where_their_folders_are(run, partial, monkeypatch):
    class Elsewhere(InlineExecutor):
        shares_disk = False

    executors.REGISTRY.names()
    parts = {"elsewhere": (Elsewhere, "of the tests"), "processes": (InlineExecutor, "here, at once")}
    monkeypatch.setattr(executors.REGISTRY, "_parts", executors.REGISTRY._parts | parts)
    heard = Heard()
    partial["others"] = {**partial.get("others", {}), "executor": {"kind": "elsewhere", "workers": 100}}
    result = select(run, partial=partial, cells=CellChoice(num_cells=1), tell=heard)
    assert (result.best.folder / "weights.safetensors").is_file()
    told = [text for text in heard.messages if "executor" in text]
    assert [text.split(":")[0] for text in told] == ["others.executor.kind 'elsewhere'"]
