"""Trained networks on test data: metrics per head and per class, calibration, confusion matrices; a page to
read and `eval.json` for programs, in the model's folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from popnas import files, networks, tasks
from popnas.command_lines import as_typed
from popnas.config import RunConfig
from popnas.datasets import Dataset, Split
from popnas.errors import DataError, MissingSplitError, RunFolderError, nearest
from popnas.evaluators.training.placing import for_answers
from popnas.events import Listen, PhaseAdvanced, PhaseStarted, Told, Warned, nobody
from popnas.export.description import REMEDY
from popnas.networks.network import Ensemble
from popnas.placement import Placement
from popnas.printable import quoted
from popnas.process_state import forks, torch_as_imported
from popnas.records import part
from popnas.report import confusion
from popnas.report.model_results import EvaluatedModel, EvaluationResult, HeadResult
from popnas.report.pages import evaluation_page
from popnas.report.views import Views
from popnas.resources import available_cores
from popnas.runs import RunFolder, identity
from popnas.runs.lock import holder
from popnas.runs.stored import progress
from popnas.runs.stored.job_clock import Pace
from popnas.runs.stored.reading import is_there
from popnas.storage import write_json, write_text
from popnas.workflows import advice
from popnas.workflows.models import requests
from popnas.workflows.models.answers import worst_masks
from popnas.workflows.models.answers.tally import Tally, class_figures
from popnas.workflows.models.answers.worst_masks import WorstMasks
from popnas.workflows.models.deployment import check_same_data
from popnas.workflows.models.folder import ModelFolder, read_data_from

if TYPE_CHECKING:
    import onnxruntime

STEM = "test_confusion_matrix"
_BATCH = 64


@dataclass(frozen=True)
class ModelEvaluation:
    """One model on test data: the `result` as in its `eval.json`, or None and why it was `skipped`; `page` is
    None if none was written."""

    path: Path
    result: EvaluationResult | None
    skipped: str | None = None
    page: Path | None = None

    @property
    def metrics(self) -> Mapping[str, float]:
        """The main head's test metrics; none of a skipped model."""
        return {} if self.result is None else self.result.metrics


@torch_as_imported()
def evaluate(
    path: Path | str,
    model: Path | str | None = None,
    *,
    top: bool = False,
    sets: Sequence[str] = (),
    tell: Listen = nobody,
) -> list[ModelEvaluation]:
    """Evaluate a model of the run `path` on test data (`model`: its folder; default the search's best; `path`
    may be a model's folder itself), or with `top` all models of its selection. `sets`: "dataset.path=PLACE",
    where the data were moved.

    Models whose data have no test split are skipped: `tell` hears why, nothing is written.

    Raises:
        RunFolderError: no such model, or one of another task.
        DataError: the data cannot be read, are no longer those of the training, or have classes in their
            test split that the training data have not.
    """
    forks.check("evaluation")
    found = find_models(files.given(path, "the folder of a run or of a model"), model, top=top)
    read_data_from(found, sets)
    with _watched(found[0], tell) as tell:
        told: set[str] = set()
        return [_evaluate(folder, tell, told) for folder in found]


@contextmanager
def _watched(model: ModelFolder, tell: Listen) -> Iterator[Listen]:
    """A listener that also keeps progress and log of the run that the model is of, while no other stage of
    it, which keeps its own there, works on it."""
    run = identity.enclosing(model.path)
    locks = [] if run is None else [RunFolder(run).lock().path, *RunFolder(run).restore.glob("*.lock")]
    if run is None or any(holder(lock) is not None for lock in locks):
        yield tell
        return
    with progress.kept(RunFolder(run).progress_json, "evaluation", tell, advice.for_error) as told:
        yield told


def find_models(path: Path, model: Path | str | None = None, *, top: bool = False) -> list[ModelFolder]:
    """The folders that `evaluate` means; raises RunFolderError."""
    if not top and model is None and ModelFolder(path).is_finished:
        return [ModelFolder(path)]
    run = RunFolder.open(path)
    if top:
        found = [folder for folder in _models_in(run) if folder.path.parent == run.model_selection]
        if not found:
            raise RunFolderError(
                f"{quoted(path)} has no finished model selection. Make one with: "
                f"{as_typed('select', '-p', path)}"
            )
        return found
    if model is None:
        return [_best_model(run)]
    asked = _places(run, files.given(model, "`model`"))
    found = [folder for folder in map(ModelFolder, asked) if folder.is_finished]
    if not found:
        places = [folder.path.relative_to(run.path) for folder in _models_in(run)]
        # The name alone is enough where it is found.
        names = dict.fromkeys([*map(str, places), *(place.name for place in places)])
        raise RunFolderError(
            f"'{model}' is no finished model of {quoted(path)}.{nearest(model, names)}{_listed(run)}"
        )
    _check_task(run, found[0])
    return found[:1]


def untaken_training(found: ModelFolder) -> str | None:
    """The name of a run's final training, for `-f`, where `found` is the search's best model; None of any
    other model, and where there is none."""
    run = RunFolder(found.path.parent)
    if found.path.name != run.best_model.name or not run.journal_path.is_file():
        return None
    # Members of an ensemble lie below it.
    places = [run.final_training, *sorted(run.final_training.glob("*"))]
    done = [place for place in places if place.name != "deploy" and ModelFolder(place).is_finished]
    return str(done[0].relative_to(run.path)) if done else None


def _best_model(run: RunFolder) -> ModelFolder:
    """The search's best; raises RunFolderError if it is not there, or not yet."""
    best = ModelFolder(run.best_model)
    if is_there(best.model_json):
        return best  # whoever reads it says what is wrong with it
    requests.run_config(run)  # says so if it will never have one
    # It is written before the search says that it has ended: there may be a part of it.
    has_ended = run.state().finish_reason is not None
    name = best.model_json.relative_to(run.path)
    why = f"{quoted(name)} was removed or moved away" if has_ended else "the search has not ended"
    raise RunFolderError(
        f"{quoted(run.path)} has no best model{'' if has_ended else ' yet'}: {why}.{_listed(run)} The "
        f"search writes it, which goes on with: {as_typed('search', '-r', run.path)}"
    )


def _places(run: RunFolder, model: Path) -> list[Path]:
    """Where a model may be meant to be: as given, inside the run, or one of its selection or trainings."""
    return [model, run.path / model, run.model_selection / model, run.final_training / model]


def _models_in(run: RunFolder) -> list[ModelFolder]:
    """The finished models of a run: the search's, the selection's in order, the final ones."""
    selected = sorted(run.model_selection.glob("*/model.json"), key=_order)
    final = [run.final_training / "model.json", *sorted(run.final_training.glob("*/model.json"))]
    described = [run.best_model / "model.json", *selected, *final]
    return [ModelFolder(file.parent) for file in described if file.is_file() and file.parent.name != "deploy"]


def _order(file: Path) -> tuple[int, str]:
    number = file.parent.name.split("-")[0]
    return (int(number) if number.isdigit() else 0, file.parent.name)


def _listed(run: RunFolder) -> str:
    names = ", ".join(str(folder.path.relative_to(run.path)) for folder in _models_in(run))
    return f" Its models: {names}." if names else " It has no trained model."


def _check_task(run: RunFolder, folder: ModelFolder) -> None:
    wanted, found = part(run.config_json(), "dataset").get("type"), folder.kind()
    if wanted != found:
        raise RunFolderError(
            f"{quoted(folder.path)} holds a model for {found}, but the run {quoted(run.path)} is for "
            f"{wanted}. Evaluate it with its own run.{_listed(run)}"
        )


def _evaluate(folder: ModelFolder, tell: Listen, told: set[str]) -> ModelEvaluation:
    """`told`: what was said of the data of other models, which are mostly the same."""
    tell(PhaseStarted(f"loading {folder.path.name} and the test data"))
    config, network = folder.config(), folder.load_network()
    task = tasks.get(config.dataset.type)
    try:
        dataset = folder.load_dataset(need_test=True)
    except MissingSplitError as lack:
        tell(Told(f"{quoted(folder.path)} is skipped: {lack}"))
        return ModelEvaluation(folder.path, None, str(lack))
    check_same_data(folder, dataset)
    assert dataset.test is not None
    for warning in [*dataset.test_warnings, *folder.told_of_changes(dataset)]:
        if warning not in told:
            tell(Warned(warning))
            told.add(warning)
    tally = Tally(dataset.num_classes)
    metrics = task.metrics(dataset.num_classes)
    worst = WorstMasks(dataset.num_classes) if task.is_per_pixel else None
    for probabilities_NK, y_N in _told(answers(folder, network, dataset.test), len(dataset.test), tell):
        tally.update(probabilities_NK, y_N)
        if worst is not None:
            worst.update(probabilities_NK, y_N)
        # A logarithm of probabilities is logits as good as any.
        metrics.update(torch.tensor(probabilities_NK).log(), torch.tensor(y_N))
    tell(PhaseStarted("measuring every head of the network"))
    heads = _head_metrics(network, config, dataset, for_answers(config, network.spec))
    tell(PhaseStarted("writing the figures and the page"))
    # The figures are the job and are printed: a folder that may only be read keeps nobody from them.
    views = Views(tell)
    counts_KK = tally.confusion.counts_KK
    result = EvaluationResult(
        model=_model(folder),
        num_samples=len(dataset.test),
        test_lengths=dataset.test_lengths,
        metrics=metrics.compute(),
        heads=heads,
        classes=class_figures(counts_KK, dataset.class_names),
        unseen=_unseen(dataset, counts_KK),
        calibration=tally.calibration(),
        confusion=counts_KK.tolist(),
        is_per_pixel=task.is_per_pixel,
        masks=None if worst is None else _write_masks(folder, worst, dataset, views),
    )
    page = _write(folder, result, views)
    for name in result.unseen:
        what = "pixel" if task.is_per_pixel else "sample"
        unseen = f"No training {what} has the class '{name}', but test {what}s have"
        tell(Told(f"{unseen}: they cannot be recognised."))
    return ModelEvaluation(folder.path, result, page=page)


def _told(
    batches: Iterator[tuple[np.ndarray, np.ndarray]], num_samples: int, tell: Listen
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same batches of answers; `tell` hears how many samples have been answered."""
    tell(PhaseStarted("evaluating on test data", num_samples))
    pace, done = Pace(num_samples), 0
    for probabilities_NK, y_N in batches:
        yield probabilities_NK, y_N
        done += len(y_N)
        tell(PhaseAdvanced(done, seconds_left=pace.seconds_left(done, time.monotonic())))


def answers(
    folder: ModelFolder, network: networks.Network | Ensemble, split: Split
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of (probabilities, classes): of the exported file, if there is one; it is what is deployed."""
    from popnas.export.deployed import DeployedNetwork
    from popnas.export.running import batches, check_answers, feeds, open_session

    run: Callable[[dict[str, np.ndarray]], np.ndarray]
    if folder.onnx.is_file():
        folder.check_onnx()
        try:
            session = open_session(folder.onnx, num_threads=len(available_cores()))
        except Exception as error:  # ONNX Runtime's own errors share no base but Exception
            reason = str(error).splitlines()[0]
            raise RunFolderError(f"{quoted(folder.onnx)} cannot be run: {reason}. {REMEDY}") from error
        run = lambda feed: _ask(folder, session, feed)  # noqa: E731
    else:
        deployed = DeployedNetwork(network, folder.preprocessing())
        run = lambda feed: deployed(*map(torch.tensor, feed.values())).detach().numpy()  # noqa: E731
    for batch, feed in zip(batches(split, _BATCH), feeds(split, batch_size=_BATCH), strict=True):
        probabilities_NK = run(feed)
        check_answers(probabilities_NK, feed["input"], batch.start)
        yield probabilities_NK, np.asarray(split.y[batch])


def _ask(
    folder: ModelFolder, session: onnxruntime.InferenceSession, feed: dict[str, np.ndarray]
) -> np.ndarray:
    """The exported file's answers; raises RunFolderError if it has none, or those of another network."""
    try:
        found = np.asarray(session.run(["probabilities"], feed)[0])
    except Exception as error:  # as for opening it
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunFolderError(
            f"{quoted(folder.onnx)} does not answer test examples: {reason}. {REMEDY}"
        ) from error
    wanted = (len(feed["input"]), folder.description().contract.num_classes)
    if found.shape[:2] != wanted:
        raise RunFolderError(
            f"{quoted(folder.onnx)} is another network's: it answers {found.shape} where {wanted} was "
            f"expected. {REMEDY}"
        )
    return found


@torch.inference_mode()
def _head_metrics(
    network: networks.Network | Ensemble, config: RunConfig, dataset: Dataset, place: Placement
) -> list[HeadResult]:
    """Metrics of every head by PyTorch, in float32, with its weight in the loss."""
    assert dataset.test is not None
    task = tasks.get(config.dataset.type)
    loader = task.evaluation_loader(config, dataset, dataset.test, place)
    found = [task.metrics(dataset.num_classes) for _ in network.head_weights]
    network.to(place.device)
    for batch in loader:
        for metrics, logits in zip(found, network(place.laid_out(batch.x), batch.lengths), strict=True):
            if not torch.isfinite(logits).all():
                raise DataError("a head of the network answers test examples with NaN: train it again.")
            metrics.update(logits, batch.y)
    network.cpu()
    return [
        HeadResult(weight, metrics.compute())
        for weight, metrics in zip(network.head_weights, found, strict=True)
    ]


def _unseen(dataset: Dataset, confusion_KK: np.ndarray) -> list[str]:
    """Classes that test data have and training data have not."""
    seen_K = dataset.full_train.class_counts(dataset.num_classes)
    is_unseen_K = (seen_K == 0) & (confusion_KK.sum(axis=1) > 0)
    return [name for name, is_unseen in zip(dataset.class_names, is_unseen_K, strict=True) if is_unseen]


def _model(folder: ModelFolder) -> EvaluatedModel:
    file = (folder.onnx if folder.onnx.is_file() else folder.weights).name
    return EvaluatedModel(folder.path.name, file, folder.description())


def _write_masks(folder: ModelFolder, worst: WorstMasks, dataset: Dataset, views: Views) -> str | None:
    """The page of the worst predicted masks; its name, None if it is missing."""
    assert dataset.test is not None
    with views.view(f"the page of the masks of {quoted(folder.path)}"):
        shown = worst.shown(dataset.test)
        result = worst_masks.result_of(
            worst, shown, dataset.class_names, model=folder.path.name, split="test"
        )
        return worst_masks.write(folder.path, result, shown).name
    return None


def _write(folder: ModelFolder, result: EvaluationResult, views: Views) -> Path | None:
    """The files of an evaluation; its page, None if it is missing."""
    with views.view(str(folder.path / "eval.json")):
        write_json(folder.path / "eval.json", result.to_json())
    confusion.write(folder.path, STEM, result.confusion, [item.name for item in result.classes], views)
    page = folder.path / "eval.html"
    with views.view(str(page)):
        write_text(page, evaluation_page.html(result, views))
        return page
    return None
