"""Every field of a configuration does something in every command that takes it, or is warned about.

`FIELDS` is the table: for each field another value, and what that changes in the search, in model selection
and in final training. A field of the schema without a line here fails the test. `plan`, `describe` and `e2e`
take the search's configuration and warn as it does; `e2e` hands it on to the three. `evaluate` and `export`
take none: they read what a model was trained with.

What a change can be seen in:

- `candidate`: a network trained with it: metrics, weights, costs, times, files, warnings
- `search`: which cells are proposed, and what becomes of them (the journal's content)
- `model`: the network that the stage trains: metrics, weights, times
- `loader`: batches in number and place, which no result depends on
- `executor`: where networks are trained
- `limit`: when training has to end
- `trainings`: how often and for how long, on which folds and with which seeds networks are trained
- `later`: the search has no use for it, but hands it on with the run's configuration to the stage that has
- `refused`: the value is checked, and the message names the field
- `warned`: it does nothing, and the command says so
"""

from __future__ import annotations

import copy
import functools
import hashlib
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from popnas import executors, tasks
from popnas.cells import Cell
from popnas.config import after_search, messages
from popnas.errors import UserError
from popnas.evaluation import CandidateJob, Evaluation
from popnas.evaluators.training import candidate, compiling, fits
from popnas.events import JobEvent, Warned
from popnas.executors import Worker
from popnas.placement import Placement
from popnas.predictors.neural import _training
from popnas.runs import RunFolder, artifacts
from popnas.runs.content import search_content
from popnas.training import device
from popnas.workflows.models import final_training, requests, selection, training
from popnas.workflows.models.training import ModelJob, train_model
from popnas.workflows.searching import best_model, candidate_jobs, finish, search
from popnas.workflows.settings import load_config, unused

from .configurations import base, write_data

CPU = Placement(torch.device("cpu"))

CELL = "[(-2, 3x3 conv, -1, identity);(-1, identity, 0, 3x3 conv)]"
SERIES_CELL = CELL.replace("3x3", "3")
QUICK_PREDICTOR = functools.partial(_training.EnsembleSettings, epochs=8)
W = "warned"
MIXED = "others.use_mixed_precision"


@dataclass(frozen=True)
class Line:
    """Another value, what it changes in each command, the data, and what must be set beside it."""

    value: Any
    search: str
    select: str
    train: str
    data: str = "images"
    beside: dict[str, Any] = field(default_factory=dict)


def everywhere(value: Any, *, data: str = "images", beside: dict[str, Any] | None = None) -> Line:
    return Line(value, "candidate", "model", "model", data, beside or {})


def search_only(value: Any, what: str = "search", beside: dict[str, Any] | None = None) -> Line:
    return Line(value, what, W, W, beside=beside or {})


OPTIMIZER = "training_hyperparameters.optimizer"
AUGMENTATION = "dataset.data_augmentation"
AUGMENTED = {f"{AUGMENTATION}.enabled": True}
LOOKAHEAD = {f"{OPTIMIZER}.lookahead": {"sync_period": 2, "slow_step_size": 0.5}}
EXPLORED = {
    "search_space.blocks": 3,
    "search_space.lookback_depth": 1,
    "search_space.operators": ["identity", "3x3 dconv", "1x1 conv", "2x2 maxpool"],
    "search_strategy.max_children": 2,
}
FIELDS: dict[str, Line] = {
    "search_space.blocks": search_only(3),
    "search_space.lookback_depth": search_only(1),
    "search_space.operators": search_only(["identity", "1x1 conv"]),
    "search_strategy.max_children": search_only(1),
    "search_strategy.max_exploration_children": search_only(3, beside=EXPLORED),
    "search_strategy.score_share": search_only(0.5, beside={"search_strategy.max_children": 12}),
    "search_strategy.rounds": search_only(2, beside={"search_strategy.max_children": 4}),
    "search_strategy.random_children": search_only(2),
    "search_strategy.single_block_repeats": search_only(2),
    "search_strategy.growth_share": search_only(0.5, beside=EXPLORED),
    "search_strategy.untrained_parents": search_only(2, beside=EXPLORED),
    "search_strategy.repeats": search_only(2),
    "search_strategy.score_metric": Line("f1_score", "candidate", "model", W),
    "search_strategy.additional_pareto_objectives": search_only(["params"]),
    "search_strategy.constraints": search_only({"params": [0, 140]}),
    "training_hyperparameters.epochs": everywhere(3),
    "training_hyperparameters.learning_rate": everywhere(0.02),
    "training_hyperparameters.weight_decay": everywhere(0.1),
    "training_hyperparameters.drop_path": everywhere(1.0),
    "training_hyperparameters.softmax_dropout": everywhere(0.9),
    "training_hyperparameters.label_smoothing": everywhere(0.5),
    "training_hyperparameters.ema_decay": everywhere(0.9),
    f"{OPTIMIZER}.type": everywhere("SGDW: 0.9 momentum"),
    f"{OPTIMIZER}.scheduler": everywhere("cd: 0 alpha"),
    f"{OPTIMIZER}.warmup": everywhere(1),
    f"{OPTIMIZER}.lookahead.sync_period": everywhere(3, beside=LOOKAHEAD),
    f"{OPTIMIZER}.lookahead.slow_step_size": everywhere(0.9, beside=LOOKAHEAD),
    "architecture_hyperparameters.filters": everywhere(5),
    "architecture_hyperparameters.motifs": everywhere(3),
    "architecture_hyperparameters.normal_cells_per_motif": everywhere(2),
    "architecture_hyperparameters.block_join_operator": everywhere("avg"),
    "architecture_hyperparameters.lookback_reshape": everywhere(True),
    "architecture_hyperparameters.concat_only_unused_blocks": everywhere(False),
    "architecture_hyperparameters.residual_cells": everywhere(False),
    "architecture_hyperparameters.se_cell_output": everywhere(True),
    "architecture_hyperparameters.multi_output": search_only(True, "candidate"),
    "architecture_hyperparameters.activation_function": everywhere("relu"),
    "architecture_hyperparameters.stem": everywhere("half"),
    "architecture_hyperparameters.macro_architecture": everywhere("segmentation_cells", data="masks"),
    "architecture_hyperparameters.segmentation_decoder": everywhere("cells", data="masks"),
    "dataset.type": Line("image_clasification", "refused", "refused", "refused"),
    "dataset.name": Line("digitz", "refused", "refused", "refused"),
    "dataset.path": Line("nowhere", "refused", "refused", "refused"),
    "dataset.classes_count": everywhere(12),
    "dataset.ignore_class": everywhere(2, data="masks"),
    "dataset.batch_size": everywhere(8),
    "dataset.val_test_batch_size": Line(7, "loader", "loader", "loader"),
    "dataset.inference_batch_size": search_only(4, "candidate"),
    "dataset.validation_size": everywhere(0.4, data="series", beside={"dataset.normalize": True}),
    "dataset.cache": Line(False, "loader", "loader", "loader"),
    "dataset.folds": Line(2, "candidate", "trainings", W),
    "dataset.samples": everywhere(50),
    "dataset.balance_class_losses": everywhere(True),
    "dataset.class_labels_remapping": everywhere({"1": 0}),
    "dataset.data_augmentation.enabled": everywhere(True),
    "dataset.data_augmentation.use_cutout": everywhere(True, beside=AUGMENTED),
    f"{AUGMENTATION}.flips": everywhere(False, beside=AUGMENTED),
    f"{AUGMENTATION}.trivial_augment": everywhere(True, beside=AUGMENTED),
    f"{AUGMENTATION}.erasing": everywhere(0.5, beside=AUGMENTED, data="masks"),
    **{
        f"{AUGMENTATION}.{name}": everywhere(value, beside=AUGMENTED, data="series")
        for name, value in (
            *(("time_warp", 0.4), ("window_warp", 0.2), ("crop", 0.2)),
            *(("shift", 0.2), ("scaling", 0.2), ("jitter", 0.1)),
        )
    },
    f"{AUGMENTATION}.mixup": everywhere(0.4, beside=AUGMENTED, data="masks"),
    f"{AUGMENTATION}.cutmix": everywhere(1.0, beside=AUGMENTED),
    "dataset.resize.width": everywhere(6, beside={"dataset.resize": {"width": 9, "height": 9}}),
    "dataset.resize.height": everywhere(6, beside={"dataset.resize": {"width": 9, "height": 9}}),
    "dataset.rescale": everywhere(True, data="series"),
    "dataset.normalize": everywhere(True, data="series"),
    "others.accuracy_predictor_ensemble_units": search_only(2),
    "others.predictors.score": Line("forest", "refused", "refused", "refused"),
    "others.predictors.time": Line("gin", "refused", "refused", "refused"),
    "others.predictors.earlier_runs": Line(["logs/none"], "refused", "refused", "refused"),
    "others.predictions_batch_size": Line(32, W, W, W),
    "others.save_children_weights": search_only(True, "candidate"),
    "others.save_children_models": search_only(True, "candidate"),
    "others.pnas_mode": search_only(True),
    "others.train_strategy": Line("TPU", "refused", "refused", "refused"),
    "others.enable_XLA_compilation": everywhere(True),
    MIXED: everywhere(True),
    "others.seed": everywhere(1),
    "others.timing": everywhere("measured"),
    "others.executor.kind": Line("processes", "executor", "executor", W),
    "others.executor.workers": Line(
        1, "executor", "executor", W, beside={"others.executor.kind": "processes"}
    ),
    "others.executor.workers_per_gpu": Line(2, W, W, W, beside={"others.train_strategy": "CPU"}),
    "others.executor.threads": Line(2, "executor", "executor", W),
    "others.evaluator": Line("trainning", "refused", "refused", "refused"),
    "others.trackers": Line(["nowhere"], "refused", "refused", "refused"),
    "others.max_hours": Line(1e-9, "search", "limit", "limit"),
    "others.max_candidate_seconds": search_only(1e-9, "candidate"),
    "others.confirm": search_only(True),
    "others.selection_seeds": Line(2, "later", "trainings", W),
    "others.selection_budget": Line("seconds", "later", "trainings", W),
}


def leaves(path: tuple[str, ...] = ()) -> list[str]:
    """The places of all fields that the schema knows."""
    names = list(dict.fromkeys(messages.properties(messages.schema_at(path))))
    if not names:
        return [messages.place(path)]
    return [leaf for name in names for leaf in leaves((*path, name))]


def test_the_table_has_every_field() -> None:
    assert sorted(FIELDS) == sorted(leaves())


# --- configurations


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


def put(document: dict[str, Any], place: str, value: Any) -> None:
    *sections, key = place.split(".")
    node = document
    for section in sections:
        node = node.setdefault(section, {})
    node[key] = value


def base_document(line: Line, data: Path) -> dict[str, Any]:
    document = base(line.data, data)
    # Which cells a search proposes is seen in the shortest trainings, too.
    put(document, "training_hyperparameters.epochs", 1 if line.search == "search" else 2)
    put(document, "search_space.lookback_depth", 2)
    put(document, "search_strategy.max_children", 3)
    for place, value in line.beside.items():
        put(document, place, copy.deepcopy(value))
    return document


def changed_document(place: str, line: Line, data: Path) -> dict[str, Any]:
    document = base_document(line, data)
    if place == "dataset.path":
        document["dataset"]["name"] = None
    put(document, place, line.value)
    return document


# --- what can be seen of a configuration, by the words of the table


def _weights(state: dict[str, torch.Tensor]) -> str:
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values())).hexdigest()


def _candidate(document: dict[str, Any], folder: Path) -> Any:
    config = load_config(document)
    where = {"artifacts": str(folder), "run": None}
    payload = {"config": config.to_json(), "judges_memory": False, **where}
    context = candidate.setup(payload, Worker())
    cell = SERIES_CELL if context.task.num_dims == 1 else CELL
    cell = Cell.parse(cell).canonical().key
    seed = candidate_jobs.candidate_seed(config.others.seed, cell)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        measured = candidate.measure(context, CandidateJob(cell, 2, 0, seed), artifacts.opened(str(folder)))
    content = {**measured.to_json(), "volatile": None}
    files = {
        str(path.relative_to(folder)): path.read_bytes() if path.suffix == ".safetensors" else None
        for path in sorted(folder.rglob("*"))
        if "tfevents" not in path.name
    }
    return content, files, sorted({str(warning.message) for warning in told})


def _search(document: dict[str, Any], folder: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finish, "views", lambda *_: None)
        patch.setattr(best_model, "write", lambda *_: None)
        patch.setattr(_training, "EnsembleSettings", QUICK_PREDICTOR)
        result = search.search(document, name="run", logs=folder)
    events = RunFolder.open(result.folder).journal.events()
    return result.reason, search_content(event for event in events if event.event != "run_started")


def _loader(document: dict[str, Any], _folder: Path) -> Any:
    config = load_config(document)
    task, dataset = tasks.get(config.dataset.type), tasks.get(config.dataset.type).load(config)
    train = task.train_loader(config, dataset, dataset.train, CPU, seed=0)
    validation = task.evaluation_loader(config, dataset, dataset.validation, CPU)
    return len(train), len(validation), train._cached is None


class _Seen(Exception):  # noqa: N818 - nothing is wrong
    pass


def _executor(document: dict[str, Any], folder: Path, stage: str) -> Any:
    seen: dict[str, Any] = {}

    def create(kind: str, *_: Any, num_workers: int | None, threads: int, **__: Any) -> Any:
        seen.update(kind=kind, workers=num_workers, threads=threads)
        raise _Seen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "create", create)
        patch.setattr(executors, "available_cores", lambda: list(range(8)))
        patch.setattr(selection.executors, "create", create)
        with pytest.raises(_Seen):
            if stage == "search":
                search.search(document, name="run", logs=folder)
            else:
                selection.select(_searched(folder), partial=document)
    return seen


def _limit(document: dict[str, Any], folder: Path, stage: str) -> Any:
    seen: list[float | None] = []
    with pytest.MonkeyPatch.context() as patch:
        if stage == "final_training":
            patch.setattr(final_training, "_train", lambda _, job, *__: seen.append(job.deadline))
            final_training.train(_searched(folder), partial=document)
        else:
            patch.setattr(selection._Selection, "run", lambda self, *_, **__: seen.append(self.deadline))
            selection.select(_searched(folder), partial=document)
    return seen[0] is None


def _trainings(document: dict[str, Any], folder: Path) -> Any:
    """Those of a selection, by their folders and epochs."""
    seen: list[tuple[str, int | None]] = []

    def train(running: selection._Selection, pending: Any) -> None:
        seen.extend((each.folder(model.folder).name, model.epochs) for model, each in pending)
        raise _Seen

    with pytest.MonkeyPatch.context() as patch, pytest.raises(_Seen):
        patch.setattr(selection._Selection, "_train", train)
        selection.select(_searched(folder), partial=document)
    return seen


def _searched(folder: Path) -> Path:
    """A run whose search has trained two cells."""
    document = base("images", folder)
    run = RunFolder.create(folder / "run", load_config(document).to_json())
    fields: dict[str, Any] = {"step": 1, "is_exploration": False, "seed": 0, "score": 0.5}
    figures: dict[str, Any] = {"training_seconds": 1.0, "inference_seconds": 0.1, "params": 9, "flops": 9}
    cells = ("[(-1, 3x3 dconv, -1, identity)]", "[(-1, identity, -1, identity)]")
    with run.journal as journal:
        for index, cell in enumerate(cells):
            evaluation = Evaluation(cell=cell, index=index, metrics={"accuracy": 0.5}, **fields, **figures)
            journal.append("evaluation", evaluation.content(), {})
    return run.path


def _model(document: dict[str, Any], folder: Path, stage: str) -> Any:
    config = load_config(document)
    cell = SERIES_CELL if tasks.get(config.dataset.type).num_dims == 1 else CELL
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        patch.setattr(training._ModelTraining, "_export", lambda *_: (None, None))
        trained = train_model(ModelJob(folder / "model", cell, config, stage))
    weights = (folder / "model" / "weights.safetensors").read_bytes()
    fields = (trained.num_epochs, trained.score, trained.training_seconds)
    return fields, hashlib.sha256(weights).hexdigest(), sorted({str(item.message) for item in told})


def observed(what: str, stage: str, document: dict[str, Any], folder: Path) -> Any:
    """What the word of the table stands for, as a value that can be compared."""
    folder.mkdir()
    if what == "model":
        return _model(document, folder, stage)
    if what == "trainings":
        return _trainings(document, folder)
    if what in ("executor", "limit"):
        return {"executor": _executor, "limit": _limit}[what](document, folder, stage)
    return {"candidate": _candidate, "search": _search, "loader": _loader}[what](document, folder)


def told(stage: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What the command warns about."""
    config = load_config(after)
    late = [] if stage == "search" else after_search.warnings(load_config(before), config, stage)
    return [*late, *unused(config)]


@pytest.fixture(autouse=True)
def quick_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes a minute: that it would be done is seen by a warning. Here it pays, as on a GPU."""
    monkeypatch.setattr(compiling, "SLOWER_ON", frozenset())
    monkeypatch.setattr(compiling, "PAYS_FROM_SECONDS", 0.0)

    def compiled(network: torch.nn.Module, *_: Any, **__: Any) -> torch.nn.Module:
        warnings.warn("compiled", stacklevel=1)
        return network

    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda *_, **__: warnings.warn("compiled", stacklevel=1))


@pytest.fixture(autouse=True)
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every CPU can compute in it, and uses it where that pays: here all do, so that it is seen anywhere."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """What unchanged configurations come to, by what is looked at."""
    return {}


STAGES = ("search", "model_selection", "final_training")
CASES = [
    (place, stage, word)
    for place, line in FIELDS.items()
    for stage, word in zip(STAGES, (line.search, line.select, line.train), strict=True)
]


@pytest.mark.parametrize(("place", "stage", "word"), CASES, ids=lambda value: str(value))
def test_a_changed_field_is_seen(
    place: str, stage: str, word: str, data: Path, known: dict[str, Any], tmp_path: Path
) -> None:
    line = FIELDS[place]
    before, after = base_document(line, data), changed_document(place, line, data)
    if word == W:
        assert [text for text in told(stage, before, after) if text.startswith(f"{place}: ")]
    elif word == "later":
        assert not [text for text in told(stage, before, after) if place in text]
        section, _, name = place.partition(".")
        handed_on = requests.stage_config(load_config(after), {})
        assert getattr(getattr(handed_on, section), name) == line.value
        assert line.select not in (W, "refused"), "the stage that it is handed on to looks at it"
    elif word == "refused":
        with pytest.raises(UserError, match=place.rpartition(".")[2] + "|" + str(line.value)):
            config = load_config(after)
            device.choose(config.others.train_strategy)
            tasks.get(config.dataset.type).load(config)
    else:
        key = str((word, stage if word in ("model", "executor", "limit") else "", before))
        if key not in known:
            known[key] = observed(word, stage, before, tmp_path / "before")
        assert observed(word, stage, after, tmp_path / "after") != known[key]


def test_an_unchanged_field_is_not_seen(data: Path, tmp_path: Path) -> None:
    """Else the test above could not fail."""
    document = base_document(FIELDS["training_hyperparameters.epochs"], data)
    for word, stage in (("candidate", ""), ("search", ""), ("model", "model_selection"), ("loader", "")):
        once, twice = (observed(word, stage, document, tmp_path / f"{word}{n}") for n in (1, 2))
        assert once == twice, word


def _stop(*_: Any, **__: Any) -> None:
    raise _Seen


@pytest.mark.parametrize("stage", STAGES[1:])
def test_stages_tell_what_they_do_not_look_at(stage: str, tmp_path: Path) -> None:
    said: list[JobEvent] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(final_training, "train_model", _stop)
        patch.setattr(selection._Selection, "run", _stop)
        job = {"model_selection": selection.select, "final_training": final_training.train}[stage]
        with pytest.raises(_Seen):
            job(_searched(tmp_path), partial={"search_space": {"blocks": 4}}, tell=said.append)
    note = "search_space.blocks: has no effect here: it is for the search, which is over."
    assert Warned(note) in said


@pytest.mark.parametrize("stage", STAGES)
def test_mixed_precision_is_warned_about_where_the_cpu_has_no_units_for_it(
    stage: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(changed_document(MIXED, FIELDS[MIXED], data))
    dataset = tasks.get(config.dataset.type).load(config)

    def warned() -> list[str]:
        if stage == "search":
            said = fits.check_search(config, dataset)
        else:
            said = fits.check_training(config, dataset, [], is_final=stage == "final_training")
        return [text for text in said if text.startswith(f"{MIXED}: has no effect")]

    assert warned() == []
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert len(warned()) == 1
