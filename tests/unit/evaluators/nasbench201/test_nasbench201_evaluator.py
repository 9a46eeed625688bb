"""A search over NAS-Bench-201 sees its validation figures, and nothing that it has not is asked of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas import evaluators
from popnas.cells import Cell
from popnas.errors import ConfigError, DataError
from popnas.evaluation import CandidateJob, Measured
from popnas.evaluators.nasbench201 import NativeEvaluator, architectures, lookup, mapping, stored
from popnas.events import CandidateFinished, JobEvent
from popnas.executors import Worker
from popnas.runs import RunFolder, search_content
from popnas.workflows.searching import finish
from popnas.workflows.searching.search import resume, search
from popnas.workflows.settings import load_config

sys.path.insert(0, str(Path(__file__).parents[1]))
from made_nasbench201 import made

Document = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("benchmark") / "nasbench201.npz"
    stored.write(found, made())
    return found


@pytest.fixture
def document(path: Path) -> Document:
    def make(is_native: bool = True, **changes: Any) -> dict[str, Any]:
        operators = mapping.OPERATIONS if is_native else mapping.COMPATIBLE_OPERATORS
        content: dict[str, Any] = {
            "search_space": {
                "blocks": 4 if is_native else 2,
                "lookback_depth": 1,
                "operators": list(operators),
            },
            "search_strategy": {"max_children": 4, "max_exploration_children": 0},
            "training_hyperparameters": {"epochs": 12},
            "dataset": {"type": "image_classification", "name": "cifar10", "path": str(path)},
            "others": {
                "evaluator": "nasbench201" if is_native else "nasbench201_compatible",
                "accuracy_predictor_ensemble_units": 1,
            },
        }
        for place, value in changes.items():
            section, key = place.split("__")
            content[section][key] = value
        return content

    return make


def test_what_is_written_is_read_and_what_is_wrong_is_told(path: Path, tmp_path: Path) -> None:
    found = stored.read(path)
    for name, array in made().arrays().items():
        np.testing.assert_array_equal(getattr(found, name), array)
    assert found.sha256 == made().sha256 and found.provenance == {"source": "a formula"}
    for changes, words in (
        ({"index": np.zeros(15_625, dtype=np.int64)}, "'index' must name every architecture once"),
        ({"test_200": made().test_200 * 10}, "'test_200' must be accuracies of 0 to 100"),
        ({"validation_12": made().validation_12[:2]}, r"'validation_12' must have the shape \(3, 15625\)"),
        ({"params": -made().params}, "'training_seconds' must be above 0, and 'params' not below"),
    ):
        stored.write(tmp_path / "wrong.npz", replace(made(), **changes))
        with pytest.raises(DataError, match=words):
            stored.read(tmp_path / "wrong.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(2))
    with pytest.raises(DataError, match="is no file of NAS-Bench-201 that popnas made"):
        stored.read(tmp_path / "other.npz")


@pytest.mark.parametrize("epochs", [12, 200])
def test_a_candidate_is_one_of_its_architectures_trainings(epochs: int, document: Document) -> None:
    config = load_config(document(training_hyperparameters__epochs=epochs, dataset__name="cifar100"))
    evaluator = evaluators.create(config)
    assert isinstance(evaluator, NativeEvaluator)
    context = lookup.setup(evaluator.payload(None, None), Worker())
    cell = Cell.parse("[(-1, nor_conv_3x3, -1, none);(-1, nor_conv_1x1, 0, skip_connect)]").canonical()
    (code,) = evaluator.codes(evaluator.space.encode([cell]))
    assert architectures.text(architectures.edges(np.array([code]))[0]) == (
        "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|skip_connect~1|none~2|"
    )
    found = [
        Measured.from_json(lookup.evaluate(context, CandidateJob(cell.key, 2, 0, seed).to_json()))
        for seed in range(6)
    ]
    trainings = made().trainings("cifar100", epochs)[code]
    trainings = trainings[np.isfinite(trainings)]
    assert {item.score for item in found} == {round(float(value), 6) for value in trainings}
    assert found[0].training_seconds == pytest.approx(
        made().training_seconds[1, code] * epochs / 200, abs=1e-3
    )
    assert found[0].params == made().params[1, code]


def test_a_native_search_grows_from_five_architectures(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "views", lambda *_: None)

    def interrupt(event: JobEvent) -> None:
        if isinstance(event, CandidateFinished) and event.evaluation.step == 3:
            raise KeyboardInterrupt

    whole = search(document(), name="whole", logs=tmp_path).folder
    with pytest.raises(KeyboardInterrupt):
        search(document(), name="cut", logs=tmp_path, tell=interrupt)
    cut = resume(tmp_path / "cut").folder
    contents = [search_content(RunFolder.open(folder).journal.events()) for folder in (whole, cut)]
    assert contents[0] == contents[1]
    state = RunFolder.open(whole).state()
    assert [item.cell for item in state.evaluations if item.step == 1] == [
        f"[(-1, {one}, -1, {other})]"
        for one, other in (
            ("avg_pool_3x3", "none"),
            ("none", "none"),
            ("none", "nor_conv_1x1"),
            ("none", "nor_conv_3x3"),
            ("none", "skip_connect"),
        )
    ]
    assert state.finished_steps == {0, 1, 2, 3, 4}
    assert state.operator_costs is not None and state.operator_costs["time"]["nor_conv_3x3"] == 1.0
    assert 0 < state.operator_costs["time"]["nor_conv_1x1"] < 1


@pytest.mark.parametrize(
    ("is_native", "changes", "words"),
    [
        (True, {"dataset__name": "cifar11"}, "dataset.name: must be one of cifar10, cifar100.*Did you mean"),
        (True, {"dataset__path": None}, "dataset.path: must name the file that"),
        (True, {"training_hyperparameters__epochs": 21}, "epochs: must be 12 or 200"),
        (True, {"search_space__lookback_depth": 2}, "lookback_depth: must be 1"),
        (True, {"search_space__blocks": 5}, "search_space.blocks: must be at most 4, got 5"),
        (False, {"search_space__blocks": 3}, "search_space.blocks: must be at most 2, got 3"),
        (True, {"search_strategy__score_metric": "f1_score"}, "score_metric: must be accuracy"),
    ],
)
def test_what_it_has_not_is_told_before_the_start(
    is_native: bool, changes: dict[str, Any], words: str, document: Document
) -> None:
    with pytest.raises(ConfigError, match=words):
        evaluators.create(load_config(document(is_native, **changes)))


def test_other_operators_are_told_by_name(document: Document) -> None:
    with pytest.raises(ConfigError, match=r"search_space.operators\[0\].*knows no operator '5x5 conv'"):
        load_config(document(search_space__operators=["5x5 conv"]))
