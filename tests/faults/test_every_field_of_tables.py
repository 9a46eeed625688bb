"""Every field of a configuration does something in a search over a table, is refused, or is warned about.

`FIELDS` is the table: for each field another value, and what that changes. A field of the schema without a
line here fails the test.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from popnas import evaluators
from popnas.errors import UserError
from popnas.evaluators.table import stored
from popnas.events import nobody
from popnas.runs import RunFolder, search_content
from popnas.workflows.searching import finish, search
from popnas.workflows.settings import load_config, unused

from .test_every_field import leaves, put

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "evaluators"))
from made_tables import OPERATORS, made

SEARCH, REFUSED, WARNED, ELSEWHERE = "search", "refused", "warned", "elsewhere"
"""The journal's content; no run is made; a sentence; where and how long it runs, or what else is written."""
OPTIMIZER = "training_hyperparameters.optimizer"
LOOKAHEAD = {f"{OPTIMIZER}.lookahead": {"sync_period": 2, "slow_step_size": 0.5}}
RESIZE = {"dataset.resize": {"width": 9, "height": 9}}
AUGMENTED = {"dataset.data_augmentation.enabled": True}
FIELDS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "search_space.blocks": (2, SEARCH, {}),
    "search_space.lookback_depth": (2, REFUSED, {}),
    "search_space.operators": (["identity", "3x3 conv"], SEARCH, {}),
    "search_strategy.max_children": (2, SEARCH, {}),
    "search_strategy.max_exploration_children": (0, SEARCH, {"search_strategy.max_children": 1}),
    "search_strategy.score_share": (0.5, SEARCH, {"search_strategy.max_children": 40}),
    "search_strategy.rounds": (2, SEARCH, {}),
    "search_strategy.random_children": (2, SEARCH, {}),
    "search_strategy.single_block_repeats": (2, SEARCH, {}),
    "search_strategy.growth_share": (0.5, SEARCH, {"search_strategy.max_children": 4}),
    "search_strategy.untrained_parents": (2, SEARCH, {}),
    "search_strategy.repeats": (2, SEARCH, {}),
    "search_strategy.score_metric": ("f1_score", SEARCH, {}),
    "search_strategy.additional_pareto_objectives": (["params"], SEARCH, {}),
    "search_strategy.constraints": ({"params": [0, 140]}, SEARCH, {}),
    "training_hyperparameters.epochs": (1, SEARCH, {}),
    "training_hyperparameters.learning_rate": (0.02, WARNED, {}),
    "training_hyperparameters.weight_decay": (0.1, WARNED, {}),
    "training_hyperparameters.drop_path": (1.0, WARNED, {}),
    "training_hyperparameters.softmax_dropout": (0.9, WARNED, {}),
    "training_hyperparameters.label_smoothing": (0.5, WARNED, {}),
    "training_hyperparameters.ema_decay": (0.9, WARNED, {}),
    f"{OPTIMIZER}.type": ("SGDW: 0.9 momentum", WARNED, {}),
    f"{OPTIMIZER}.scheduler": ("cd: 0 alpha", WARNED, {}),
    f"{OPTIMIZER}.warmup": (1, WARNED, {}),
    f"{OPTIMIZER}.lookahead.sync_period": (3, WARNED, LOOKAHEAD),
    f"{OPTIMIZER}.lookahead.slow_step_size": (0.9, WARNED, LOOKAHEAD),
    "architecture_hyperparameters.filters": (5, WARNED, {}),
    "architecture_hyperparameters.motifs": (2, WARNED, {}),
    "architecture_hyperparameters.normal_cells_per_motif": (1, WARNED, {}),
    "architecture_hyperparameters.block_join_operator": ("avg", WARNED, {}),
    "architecture_hyperparameters.lookback_reshape": (True, WARNED, {}),
    "architecture_hyperparameters.concat_only_unused_blocks": (False, WARNED, {}),
    "architecture_hyperparameters.residual_cells": (False, WARNED, {}),
    "architecture_hyperparameters.se_cell_output": (True, WARNED, {}),
    "architecture_hyperparameters.multi_output": (True, WARNED, {}),
    "architecture_hyperparameters.activation_function": ("relu", WARNED, {}),
    "architecture_hyperparameters.stem": ("half", WARNED, {}),
    "architecture_hyperparameters.macro_architecture": ("classification", WARNED, {}),
    "architecture_hyperparameters.segmentation_decoder": ("cells", WARNED, {}),
    "dataset.type": ("image_clasification", REFUSED, {}),
    "dataset.name": ("digits", WARNED, {}),
    "dataset.path": ("nowhere.npz", REFUSED, {}),
    "dataset.classes_count": (12, WARNED, {}),
    "dataset.ignore_class": (2, WARNED, {}),
    "dataset.batch_size": (8, WARNED, {}),
    "dataset.val_test_batch_size": (7, WARNED, {}),
    "dataset.inference_batch_size": (4, WARNED, {}),
    "dataset.validation_size": (0.4, WARNED, {}),
    "dataset.cache": (False, WARNED, {}),
    "dataset.folds": (2, WARNED, {}),
    "dataset.samples": (50, WARNED, {}),
    "dataset.balance_class_losses": (True, WARNED, {}),
    "dataset.class_labels_remapping": ({"1": 0}, WARNED, {}),
    "dataset.data_augmentation.enabled": (True, WARNED, {}),
    "dataset.data_augmentation.use_cutout": (True, WARNED, AUGMENTED),
    "dataset.data_augmentation.flips": (False, WARNED, AUGMENTED),
    "dataset.data_augmentation.trivial_augment": (True, WARNED, AUGMENTED),
    **{
        f"dataset.data_augmentation.{name}": (0.1, WARNED, AUGMENTED)
        for name in (
            *("erasing", "time_warp", "window_warp", "crop", "shift", "scaling", "jitter", "mixup", "cutmix"),
        )
    },
    "dataset.resize.width": (6, WARNED, RESIZE),
    "dataset.resize.height": (6, WARNED, RESIZE),
    "dataset.rescale": (True, WARNED, {}),
    "dataset.normalize": (True, WARNED, {}),
    "others.accuracy_predictor_ensemble_units": (2, SEARCH, {}),
    "others.predictors.score": ("forest", REFUSED, {}),
    "others.predictors.time": ("gin", REFUSED, {}),
    "others.predictors.earlier_runs": (["logs/none"], REFUSED, {}),
    "others.predictions_batch_size": (32, WARNED, {}),
    "others.save_children_weights": (True, WARNED, {}),
    "others.save_children_models": (True, WARNED, {}),
    "others.pnas_mode": (True, SEARCH, {}),
    "others.train_strategy": ("CPU", WARNED, {}),
    "others.enable_XLA_compilation": (True, WARNED, {}),
    "others.use_mixed_precision": (True, WARNED, {}),
    "others.seed": (1, SEARCH, {}),
    "others.timing": ("simulated", WARNED, {}),
    "others.executor.kind": ("processes", ELSEWHERE, {}),
    "others.executor.workers": (2, ELSEWHERE, {"others.executor.kind": "processes"}),
    "others.executor.workers_per_gpu": (2, WARNED, {}),
    "others.executor.threads": (2, WARNED, {}),
    "others.evaluator": ("tabel", REFUSED, {}),
    "others.trackers": (["nowhere"], REFUSED, {}),
    "others.max_hours": (1e-9, SEARCH, {}),
    "others.max_candidate_seconds": (1.0, WARNED, {}),
    "others.confirm": (True, ELSEWHERE, {}),
    "others.selection_seeds": (2, WARNED, {}),
    "others.selection_budget": ("seconds", WARNED, {}),
}


def test_the_table_has_every_field() -> None:
    assert sorted(FIELDS) == sorted(leaves())


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("table") / "table.npz"
    stored.write(path, made(3, 1))
    return {
        "search_space": {"blocks": 3, "lookback_depth": 1, "operators": list(OPERATORS)},
        "search_strategy": {"max_children": 4, "max_exploration_children": 2},
        "training_hyperparameters": {"epochs": 3},
        "dataset": {"type": "image_classification", "path": str(path)},
        "others": {"evaluator": "table", "accuracy_predictor_ensemble_units": 1},
    }


def changed(document: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(document)
    for place, value in fields.items():
        put(found, place, copy.deepcopy(value))
    return found


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[dict[str, Any]], list[str]]:
    """A search's content but for its configuration."""
    monkeypatch.setattr(finish, "views", lambda *_: None)

    def of(found: dict[str, Any]) -> list[str]:
        run = search.search(found, logs=tmp_path, name=str(len(list(tmp_path.iterdir())))).folder
        return search_content(RunFolder.open(run).journal.events())[1:]

    return of


def of(effect: str) -> list[str]:
    return [place for place, (_, found, _) in FIELDS.items() if found == effect]


@pytest.mark.parametrize("place", of(WARNED))
def test_what_does_nothing_is_told(place: str, document: dict[str, Any]) -> None:
    value, _, beside = FIELDS[place]
    before = unused(load_config(changed(document, beside)))
    after = unused(load_config(changed(document, {**beside, place: value})))
    told = [sentence for sentence in after if sentence not in before]
    # A section that is told whole is told already for what stands beside.
    sections = [".".join(place.split(".")[:depth]) for depth in range(1, 5)]
    assert any(sentence.startswith(f"{part}: has no effect") for sentence in told for part in sections) or (
        bool(beside) and any(sentence.startswith(f"{part}: ") for sentence in after for part in sections)
    )


@pytest.mark.parametrize("place", of(REFUSED))
def test_what_cannot_be_is_refused_by_its_name(place: str, document: dict[str, Any], tmp_path: Path) -> None:
    value, _, beside = FIELDS[place]
    with pytest.raises(UserError, match=place.replace(".", r"\.") if place != "dataset.path" else "nowhere"):
        search.search(changed(document, {**beside, place: value}), logs=tmp_path, name="run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", of(SEARCH))
def test_what_a_search_depends_on_changes_it(place: str, document: dict[str, Any], content: Any) -> None:
    value, _, beside = FIELDS[place]
    assert content(changed(document, beside)) != content(changed(document, {**beside, place: value}))


@pytest.mark.parametrize("place", of(ELSEWHERE))
def test_where_it_runs_is_where_it_says(place: str, document: dict[str, Any]) -> None:
    value, _, beside = FIELDS[place]
    found = [
        evaluators.create(load_config(changed(document, fields)))
        for fields in (beside, {**beside, place: value})
    ]
    assert unused(found[0].config) == unused(found[1].config) == []
    if place == "others.confirm":
        assert [bool(one.check()) for one in found] == [False, True]
    elif place == "others.executor.kind":
        assert [one.executor_class.is_in_driver for one in found] == [True, False]
    else:
        assert found[1].num_workers(nobody) == 2
