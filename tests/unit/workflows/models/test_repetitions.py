"""Model selection on several folds and with several seeds: what is trained, what decides, how it goes on."""

import csv
import shutil

import pytest

from popnas.errors import CandidateFailed
from popnas.report.run_data import RunData
from popnas.report.sections import references, selected
from popnas.report.statistics import share_noise
from popnas.runs import RunFolder
from popnas.storage import write_bytes
from popnas.workflows.models import training
from popnas.workflows.models.choices import CellChoice
from popnas.workflows.models.ensembles.choosing import _Library
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.selection import best_of, read_selection, select
from popnas.workflows.models.stored import repetitions
from popnas.workflows.models.stored.repetitions import Repetition

FOLDS = {"dataset.folds": 2, "others.selection_seeds": 2}


@pytest.fixture(autouse=True)
def cheap_files(monkeypatch):
    def export(network, preprocessing, path):
        write_bytes(path, b"onnx")

    monkeypatch.setattr(training.files, "export_onnx", export)
    monkeypatch.setattr(training.files, "write_confusion", lambda *arguments: None)


@pytest.fixture
def repeated(partial):
    partial["dataset"]["folds"] = 2
    partial["others"] = {"selection_seeds": 2}
    return partial


@pytest.fixture
def trained(monkeypatch):
    """The folders that are trained, in their order."""
    folders, train_model = [], training.train_model

    def noted(job, *others):
        folders.append(job.folder.name)
        return train_model(job, *others)

    monkeypatch.setattr(training, "train_model", noted)
    return folders


def test_each_network_is_trained_on_every_fold_with_every_seed_and_the_mean_decides(run, repeated, trained):
    result = select(run, CellChoice(2, has_references=True), partial=repeated)
    for model in result.models:
        assert set(model.repeated) == set(repetitions.wanted(2, 2))
        scores = [done.score for done in model.repeated.values()]
        assert model.score == pytest.approx(sum(scores) / 4) and model.summary.half is not None
        places = [ModelFolder(each.folder(model.folder)) for each in model.repeated]
        assert [place.onnx.is_file() for place in places] == [True, False, False, False]
        assert len({place.weights.read_bytes() for place in places}) == 4
        # The last epoch is what final training keeps, so it is what is judged.
        last = [place.log().epochs[-1]["head_metrics"][-1]["accuracy"] for place in places]
        assert scores == last and {done.best_epoch for done in model.repeated.values()} == {3}
    assert result.best.score == max(model.score for model in result.models)
    # All have a fold behind them before the next begins.
    assert [name.partition("-fold")[2] for name in trained[3::3]] == ["1-seed0", "0-seed1", "1-seed1"]

    with (run / "model_selection" / "training_results.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [float(row["val_score"]) for row in table] == [model.score for model in result.models]
    assert [row["trainings"] for row in table] == ["4", "4", "4"]
    found = selected.read(run / "model_selection")
    assert found.repeated == "2 folds, 2 seeds each"
    assert [item.half for item in found.models] == [model.summary.half for model in result.models]
    assert references.read(run / "model_selection").is_clear in (True, False)


@pytest.mark.parametrize("has_references", [True, False])
def test_beside_known_networks_the_last_epoch_is_judged(run, partial, has_references):
    """As what is fitted at once has no best one of many epochs; final training keeps the last, too."""
    result = select(run, CellChoice(2, has_references=has_references), partial=partial)
    for model in result.models:
        scores = [epoch["head_metrics"][-1]["accuracy"] for epoch in ModelFolder(model.folder).log().epochs]
        assert model.score == (scores[-1] if has_references else max(scores))
    assert selected.read(run / "model_selection").is_of_last == has_references
    shown = selected.render(RunData.of(RunFolder.open(run), RunFolder.open(run).state()))
    assert ("(last epoch)" in shown, "(best epoch)" in shown) == (has_references, not has_references)


def test_of_one_training_each_the_number_of_examples_says_what_is_noise(run, partial):
    select(run, CellChoice(1, has_references=True), partial=partial)
    compared = references.read(run / "model_selection")
    (known,), num_examples = (
        compared.references,
        len(ModelFolder(run / "best_model").load_dataset().validation),
    )
    half = share_noise(compared.found.score, known.score, num_examples)
    assert compared.is_clear is (abs(compared.found.score - known.score) > half)


def test_what_is_missing_is_trained_and_meanwhile_only_common_folds_are_compared(run, repeated, trained):
    first = select(run, CellChoice(2), partial=repeated)
    gone = Repetition(1, 1).folder(first.models[1].folder)
    shutil.rmtree(gone)
    models = read_selection(run / "model_selection")
    for model in models:
        alike = [done.score for each, done in model.repeated.items() if each != Repetition(1, 1)]
        # Seeds first, then folds: fold 0 has two, fold 1 has one.
        by_fold = [
            [done.score for each, done in model.repeated.items() if each.fold == fold and each != (1, 1)]
            for fold in (0, 1)
        ]
        assert len(alike) == 3 and len(by_fold[0]) == 2
        assert model.score == pytest.approx(
            (sum(by_fold[0]) / 2 + model.repeated[Repetition(0, 1)].score) / 2
        )
    trained.clear()
    again = select(run, CellChoice(2), partial=repeated)
    assert trained == [gone.name]
    assert [model.score for model in again.models] == [model.score for model in first.models]


def test_a_network_that_lacks_a_fold_may_be_a_member_all_the_same(run, repeated):
    result = select(run, CellChoice(2), partial=repeated)
    other = next(model for model in result.models if model.folder != result.best.folder)
    for seed in range(2):
        shutil.rmtree(Repetition(seed, 1).folder(other.folder))
    library = _Library(read_selection(run / "model_selection"))
    assert library.folds == [0]
    members = [item.member for item in library.candidates()]
    places = [(folder, seed) for folder in {model.folder.name for model in result.models} for seed in (0, 1)]
    assert sorted((member.origin, member.seed) for member in members) == sorted(places)


def test_a_network_that_fails_on_one_fold_is_not_chosen(run, repeated, monkeypatch):
    train_model = training.train_model

    def failing(job, *others):
        if job.folder.name.startswith("0-") and job.repetition == Repetition(0, 1):
            raise CandidateFailed("nan", "diverged")
        return train_model(job, *others)

    monkeypatch.setattr(training, "train_model", failing)
    result = select(run, CellChoice(2), partial=repeated)
    assert result.best == result.models[1]
    failed = result.models[0]
    assert (failed.score, failed.error_kind) == (None, "nan")
    assert failed.error.startswith(f"{failed.folder.name}-fold1-seed0: ")
    assert best_of([failed]) is None and failed.lacking(repetitions.wanted(2, 2)) == []


def test_intervals_over_folds_are_wider_than_those_over_seeds():
    seeds = {Repetition(seed, 0): score for seed, score in enumerate((0.8, 0.9, 1.0))}
    folds = {Repetition(0, fold): score for fold, score in enumerate((0.8, 0.9, 1.0))}
    # t = 4.303 of 2 degrees; variance 0.01: 1/3 of it, and with half of the data validating 1 more.
    assert repetitions.summary(seeds, 0.5).half == pytest.approx(4.303 * 0.1 * (1 / 3) ** 0.5)
    assert repetitions.summary(folds, 0.5).half == pytest.approx(4.303 * 0.1 * (4 / 3) ** 0.5)
    assert repetitions.summary(folds, 0.5).mean == pytest.approx(0.9)
    assert repetitions.summary({Repetition(): 0.7}, 0.5).half is None


def test_what_a_mean_is_of_is_told():
    wanted = repetitions.wanted
    told = [repetitions.words(wanted(*counts)) for counts in ((1, 1), (1, 3), (5, 1), (5, 2))]
    assert told == ["", "3 seeds", "5 folds", "5 folds, 2 seeds each"]
