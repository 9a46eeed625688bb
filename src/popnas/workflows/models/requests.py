"""From what a user asks of a run to the settings of its post-search trainings; mistakes are told here."""

from __future__ import annotations

import json
import re
from pathlib import Path

from popnas import config as configurations
from popnas import evaluators, executors
from popnas.cells import Cell
from popnas.command_lines import as_typed
from popnas.config import ExecutorConfig, RunConfig, Source, after_search
from popnas.errors import ConfigError, Problem, UserError, must_be
from popnas.events import Listen, Told
from popnas.export.description import MOST_BLOCKS
from popnas.operators import parse as parse_operator
from popnas.printable import quoted
from popnas.records import Json, part
from popnas.runs import RunFolder
from popnas.runs.folder import search_part, without
from popnas.tasks import get as get_task
from popnas.training import device
from popnas.workflows.models.choices import StageChanges
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.settings import load_run_config, name_rules

_UNCHANGED = StageChanges()
_AUGMENTATION, _TIME_WARP = "data_augmentation", "time_warp"
_PLACE = f"dataset.{_AUGMENTATION}"
_OPTIMIZER = "training_hyperparameters.optimizer."
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
# What stands in these folders beside named trainings.
_TAKEN = re.compile(
    r"\d+-m\d+-n\d+-f\d+(-[a-z_]+)?|deploy|tensorboard|member-\d+|.*\.(json|csv|png|onnx|pt|safetensors|html|md)"
)


def run_config(folder: RunFolder) -> RunConfig:
    """The configuration of a run.

    Raises:
        UserError: its cells are no networks that could be trained.
    """
    config = load_run_config(folder)
    check_has_networks(config)
    return config


def check_has_networks(config: RunConfig) -> None:
    """Raises UserError if the search evaluates cells that are no networks of ours."""
    name = config.others.evaluator
    if not evaluators.REGISTRY.get(name).has_weights:
        raise UserError(
            f"others.evaluator: '{name}' gives figures of cells and no networks, so there is nothing to "
            "select, train, evaluate or export. Search with others.evaluator 'training' for networks."
        )


def stage_config(base: RunConfig, partial: Source, changes: StageChanges = _UNCHANGED) -> RunConfig:
    """A run's configuration with a partial one laid over it, for a training after the search. The search's
    time limit is not that of later stages.

    A batch size other than the run's, wherever it comes from, scales the learning rate with it.

    Raises:
        ConfigError: with all mistakes of the partial configuration.
        UserError: a device that is not there.
    """
    merged = configurations.merge(without_limit(base), partial, sets=changes.sets, names=name_rules())
    batch_size = merged.dataset.batch_size if changes.batch_size is None else changes.batch_size
    scale = batch_size / base.dataset.batch_size
    given = {
        "dataset.batch_size": changes.batch_size,
        "dataset.val_test_batch_size": changes.test_batch_size,
        "training_hyperparameters.learning_rate": merged.training_hyperparameters.learning_rate * scale,
        "others.train_strategy": changes.train_strategy,
    }
    try:
        config = configurations.changed(
            merged, {field: value for field, value in given.items() if value is not None}
        )
    except ConfigError as error:
        raise ConfigError(
            [_scaled(problem, scale) for problem in error.problems], "the configuration of this stage"
        ) from None
    device.choose(config.others.train_strategy)
    return config


def settings_of(base: RunConfig, partial: Source, changes: StageChanges) -> list[str]:
    """What a final training is asked with, as changes "a.b=V" over the task's preset that ask for the same;
    without where and how long it trains."""
    names = name_rules()
    asked = configurations.merge(without_limit(base), partial, sets=changes.sets, names=names)
    sizes = {"batch_size": changes.batch_size, "val_test_batch_size": changes.test_batch_size}
    given = {f"dataset.{name}": size for name, size in sizes.items() if size is not None}
    asked = configurations.changed(asked, given)
    usual = configurations.merge(without_limit(base), training_partial(base, None), names=names)
    own, known = (
        dict(after_search.leaves(without(search_part(each.to_json()), "dataset", ("path",))))
        for each in (asked, usual)
    )
    others = [place for place, value in own.items() if known.get(place, ...) != value]
    if any(place.startswith(_OPTIMIZER) for place in others):
        # Who names the type of an optimizer replaces all of it.
        others += [place for place in own if place.startswith(_OPTIMIZER) and place not in others]
    return [f"{place}={json.dumps(own[place])}" for place in others]


def selection_partial(base: RunConfig, given: Source | None) -> Source:
    """The partial configuration of model selection: the given one, else the preset of the run's task, which
    leaves the run the time warp that it states."""
    return _beside(base, get_task(base.dataset.type).selection_preset) if given is None else given


def training_partial(base: RunConfig, given: Source | None) -> Source:
    """The same of final training."""
    return _beside(base, get_task(base.dataset.type).training_preset) if given is None else given


def _beside(base: RunConfig, preset: str) -> Source:
    """Whoever chose no preset did not choose to have a time warp, where timesteps are hours of the day. Of
    other fields a run's file, which has them all, does not tell which were stated."""
    document = configurations.document_of(preset, is_whole=False)
    dataset = part(document, "dataset")
    augmentation = part(dataset, _AUGMENTATION)
    if base.dataset.data_augmentation.time_warp is None or _TIME_WARP not in augmentation:
        return preset
    kept = {name: augmentation[name] for name in augmentation if name != _TIME_WARP}
    return {**document, "dataset": {**dataset, _AUGMENTATION: kept}}


def tell_of_augmentation(base: RunConfig, config: RunConfig, tell: Listen) -> None:
    """Tell if a stage does other things to its training examples than the search did."""
    before, now = _augmentation(base), _augmentation(config)
    if now == before:
        return
    said = [
        f"{name} {json.dumps(now.get(name, False))}"
        for name in dict.fromkeys((*now, *before))
        if now.get(name) != before.get(name)
    ]
    tell(
        Told(
            f"Training examples are augmented otherwise than in the search: {', '.join(said)} (of "
            "dataset.data_augmentation; a partial configuration of yours decides)."
        )
    )


def _augmentation(config: RunConfig) -> Json:
    """What is done to training examples, by field."""
    settings, unused = config.dataset.data_augmentation, get_task(config.dataset.type).unused_settings
    if not settings.enabled:
        return {}
    given: Json = settings.model_dump()
    return {name: given[name] for name in given if given[name] and f"{_PLACE}.{name}" not in unused}


def without_limit(config: RunConfig) -> RunConfig:
    """The configuration without its time limit."""
    return configurations.changed(config, {"others.max_hours": None})


def on_this_disk(config: RunConfig) -> RunConfig:
    """With an executor whose workers reach the folders of models, where trainings go on when interrupted."""
    if executors.REGISTRY.get(config.others.executor.kind).shares_disk:
        return config
    here = ExecutorConfig()
    changes = {"others.executor.kind": here.kind, "others.executor.workers": here.workers}
    return configurations.changed(config, changes)


def as_trained(config: RunConfig, batch_size: int | None) -> RunConfig:
    """What probes of a stage need to be like its trainings: batches of that size (None: as configured), and
    workers of this machine."""
    changes = {} if batch_size is None else {"dataset.batch_size": batch_size}
    return configurations.changed(on_this_disk(config), changes)


def _scaled(problem: Problem, scale: float) -> Problem:
    """A mistake of the merged configuration; of a scaled learning rate it says where that comes from."""
    if problem.place != "training_hyperparameters.learning_rate":
        return problem
    told = (
        f"{problem.message} It is scaled by {scale:g}, as the batch size is: give a batch size nearer to "
        "the run's, or another rate with `sets` training_hyperparameters.learning_rate=RATE."
    )
    return Problem(problem.place, problem.value, told)


def with_macro(
    config: RunConfig,
    motifs: int | None,
    normal_cells: int | None,
    filters: int | None,
    macro: str | None = None,
) -> RunConfig:
    """The configuration with another macro-architecture; None keeps what it has."""
    given = {
        "motifs": motifs,
        "normal_cells_per_motif": normal_cells,
        "filters": filters,
        "macro_architecture": macro,
    }
    changes = {
        f"architecture_hyperparameters.{key}": value for key, value in given.items() if value is not None
    }
    return configurations.changed(config, changes)


def with_epochs(config: RunConfig, epochs: int) -> RunConfig:
    """The configuration with other epochs; the warm-up keeps its share of them."""
    training = config.training_hyperparameters
    changes = {"epochs": epochs, "optimizer.warmup": training.optimizer.warmup * epochs // training.epochs}
    return configurations.changed(
        config, {f"training_hyperparameters.{key}": value for key, value in changes.items()}
    )


def given_cell(text: str, config: RunConfig) -> Cell:
    """A given cell, canonical; its operators need not be the search's, but must suit the data.

    Raises:
        UserError: it does not parse, has no block, or uses operators that the data cannot take.
    """
    try:
        cell = Cell.parse(text)
        if not cell.blocks:
            raise UserError("the empty cell has nothing to train. Give a cell with at least one block.")
        for name in sorted(cell.operators):
            parse_operator(name, get_task(config.dataset.type).num_dims)
    except UserError as error:
        raise type(error)(f"`cell`: {error}") from None
    if len(cell.blocks) > MOST_BLOCKS:
        raise UserError(
            f"`cell`: the cell has {len(cell.blocks)} blocks, and the description of a model takes at most "
            f"{MOST_BLOCKS}. Give a smaller cell."
        )
    return cell.canonical()


def stage_folder(parent: Path, name: str | None) -> Path:
    """Where a selection or a final training goes: the folder of its kind, or one in it of that name.

    Raises:
        UserError: a name that cannot be a folder's here.
    """
    must_be(name, str, "`name`")
    if name is None:
        return parent
    if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
        raise UserError(
            f"`name` '{name}' cannot be a folder in {quoted(parent)}: take letters, digits, '_', '-', '+' "
            "and '.', but no name that stands for something else there (as 'deploy' or '0-m3-n2-f24')."
        )
    if ModelFolder(parent / name).path.is_file():
        raise UserError(f"`name` '{name}': {quoted(parent / name)} is a file. Choose another name.")
    return parent / name


def no_network(run: Path) -> UserError:
    """There is nothing to select from."""
    return UserError(
        f"no cell was trained successfully in the run {quoted(run)} yet. Go on with the search "
        f"({as_typed('search', '-r', run)}), or give a cell with `cell`."
    )
