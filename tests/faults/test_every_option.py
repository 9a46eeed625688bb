"""Every option of `PopnasClassifier`: what it changes, what it is taken for, and what it contradicts.

`OPTIONS` has a line for each: values that are accepted (a notebook's, too) with what they are read as, values
that are refused, and what else is set that it cannot go together with, refused or told in one sentence.
"""

from __future__ import annotations

import enum
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas import PopnasClassifier
from popnas import config as configurations
from popnas.api import arrays, fitting, stages
from popnas.api.arrays import InputError
from popnas.api.options import Options
from popnas.errors import ConfigError, UserError


class Stage(enum.Enum):
    FIRST = "search"


SERIES = "time_series_classification"
X, Y = np.random.default_rng(0).normal(size=(40, 12)), np.arange(40) % 2


@dataclass(frozen=True)
class Line:
    """`reads`: (value, what it is read as); `refuses`: (value, words of the refusal); `against`: (value,
    other options, words of the refusal or the warning)."""

    reads: list[tuple[Any, Any]]
    refuses: list[tuple[Any, str]]
    against: list[tuple[Any, dict[str, Any], str]] = field(default_factory=list)


def others(**fields: Any) -> dict[str, Any]:
    return {"others": fields}


def data(**fields: Any) -> dict[str, Any]:
    return {"dataset": fields}


OPTIONS: dict[str, Line] = {
    "task": Line(
        reads=[(None, None), (SERIES, SERIES), (np.str_(SERIES), SERIES)],
        refuses=[("time_series", "Did you mean 'time_series_classification'"), (3, "got 3"),
                 ("image_segmentation", "masks")],
        against=[(SERIES, {"config": data(type="image_classification")}, "dataset.type is 'image_class"),
                 ("image_classification", {}, "change task")],
    ),
    "config": Line(
        reads=[],
        refuses=[(3, "config must be a mapping, a file's path, a preset's name or None, got 3"),
                 ([], "got the list"), ("nowhere.json", "neither a file nor a preset")],
        against=[(data(name="digits"), {}, "dataset.name: has no effect"),
                 (data(path="/data"), {}, "dataset.path: has no effect"),
                 (data(classes_count=9), {}, "dataset.classes_count: has no effect"),
                 (data(resize={"width": 3, "height": 3}), {}, "dataset.resize: has no effect"),
                 (data(class_labels_remapping={1: 0}), {}, "dataset.class_labels_remapping: has no effect"),
                 (data(validation_size=None), {}, "dataset.validation_size is null")],
    ),
    "selection_config": Line(
        reads=[(None, None), ({"dataset": {"batch_size": np.int64(4)}}, {"dataset": {"batch_size": 4}}),
               (Path("mine.json"), Path("mine.json")), ("model_selection_debug", "model_selection_debug")],
        refuses=[(3, "selection_config must be a mapping")],
        against=[({}, {"last_stage": "search"}, "selection_config: has no effect with last_stage 'search'"),
                 (data(path="/data"), {}, "selection_config: dataset.path cannot be given"),
                 (data(type="image_classification"), {}, "in selection_config:")],
    ),
    "final_config": Line(
        reads=[(None, None), ({"dataset": {"batch_size": np.int64(4)}}, {"dataset": {"batch_size": 4}})],
        refuses=[(3, "final_config must be a mapping")],
        against=[({}, {"last_stage": "search"}, "final_config: has no effect with last_stage 'search'"),
                 ({}, {"last_stage": "model_selection"}, "has no effect with last_stage 'model_selection'"),
                 (data(classes_count=9), {}, "final_config: dataset.classes_count cannot be given")],
    ),
    "num_selected": Line(
        reads=[(3, 3), (np.int64(3), 3), (np.array(3), 3)],
        refuses=[(0, "at least 1"), (True, "got True"), (2.0, "got 2.0"), ("3", "got '3'"),
                 (None, "got None"),
                 (10**9, "at most 10,000"), (np.array([3]), "got the list")],
        against=[(7, {"last_stage": "search"}, "num_selected: has no effect with last_stage 'search'")],
    ),
    "last_stage": Line(
        reads=[("search", "search"), (np.str_("search"), "search"), (Stage.FIRST, "search")],
        refuses=[("selection", "Did you mean 'model_selection'"), (None, "got None"), (2, "got 2")],
    ),
    "max_hours": Line(
        reads=[(None, None), (1, 1.0), (np.float32(0.5), 0.5), (np.int64(2), 2.0)],
        refuses=[(0, "above 0"), (-1, "got -1"), ("1", "got '1'"), (float("nan"), "got nan"),
                 (True, "got True"), (1e9, "at most 87,600")],
        against=[(1.0, {"config": others(max_hours=2)}, r"others.max_hours \(2\): has no effect beside")],
    ),
    "run_folder": Line(
        reads=[(None, None), ("/tmp/x", Path("/tmp/x")), (np.str_("/tmp/x"), Path("/tmp/x"))],
        refuses=[("", "run_folder must be a path"), (3, "got 3"), (b"x", "bytes")],
    ),
    "n_jobs": Line(
        reads=[(None, None), (1, 1), (-1, -1), (np.int64(2), 2)],
        refuses=[(0, "from 1 to 1024"), (-2, "got -2"), (1.0, "got 1.0"), (True, "got True"),
                 ("1", "got '1'")],
        against=[(1, {"config": others(executor={"kind": "processes"})}, "executor.kind"),
                 (2, {"config": others(executor={"workers": 3})}, r"executor.workers \(3\): has no effect")],
    ),
    "backend": Line(
        reads=[("onnx", "onnx"), (np.str_("torch"), "torch")],
        refuses=[("tensorflow", "backend must be one of"), (None, "got None")],
    ),
    "random_state": Line(
        reads=[(np.int64(3), None), (np.random.RandomState(3), None)],
        refuses=[(-1, "from 0 to"), ("a", "got 'a'"), (1.5, "got 1.5")],
        against=[(0, {"config": others(seed=3)}, r"others.seed \(3\): has no effect beside random_state")],
    ),
}  # fmt: skip


def read(**options: Any) -> Options:
    return Options.read(PopnasClassifier(**options).get_params(deep=False))


def test_the_table_has_every_option() -> None:
    assert OPTIONS.keys() == PopnasClassifier().get_params().keys()


@pytest.mark.parametrize("name", OPTIONS)
def test_values_are_read_or_refused(name: str) -> None:
    for value, expected in OPTIONS[name].reads:
        found = read(**{name: value})
        if expected is not None or name != "random_state":
            assert getattr(found, name) == expected
            assert type(getattr(found, name)) is type(expected)
        else:
            assert found.seed == read(random_state=3).seed
    for value, words in OPTIONS[name].refuses:
        with pytest.raises(UserError, match=words):
            read(**{name: value})


CONTRADICTIONS = [
    ({name: value, **beside}, words)
    for name, line in OPTIONS.items()
    for value, beside, words in line.against
]


@pytest.mark.parametrize(("options", "words"), CONTRADICTIONS, ids=lambda value: str(value)[:70])
def test_what_cannot_go_together_is_told_at_fit(
    options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Refused before anything is trained, or warned about in one sentence."""

    class Trained(Exception):  # noqa: N818 - nothing is wrong
        pass

    def search(*_: Any, **__: Any) -> None:
        raise Trained

    monkeypatch.setattr(stages.end_to_end, "start", search)
    with caplog.at_level(logging.WARNING, "popnas"):
        try:
            PopnasClassifier(**options).fit(X, Y)
        except Trained:
            said = [record.getMessage() for record in caplog.records]
        except (InputError, ConfigError) as refusal:
            said = [str(refusal)]
    assert len(said) == 1, said
    assert re.search(words, said[0]), said
    assert "\n" not in said[0] or "mistakes in selection_config" in said[0]


def test_options_that_go_together_are_not_warned_about() -> None:
    config = {"others": {"max_hours": 1, "executor": {"kind": "inline", "threads": 2}}}
    found = read(config=config, max_hours=1.0, n_jobs=1, last_stage="search", random_state=0)
    assert list(found.warnings()) == []
    examples = arrays.series(X[:, None])
    made = fitting.configuration(fitting.TrainingData.of(1, examples, Y), Path("/data"), found)
    assert made.others.executor.threads == 2  # what n_jobs says nothing about stays
    assert made.others.executor.kind == "inline"


def test_a_whole_configuration_may_name_its_own_data_but_is_told_what_gives_way(tmp_path: Path) -> None:
    whole = configurations.load("run_ts", sets=["others.seed=4", "others.max_hours=3"])
    file = tmp_path / "mine.json"
    file.write_text(configurations.to_text(whole.to_json()))
    elsewhere = configurations.load("run_ts", sets=["dataset.path=null", "dataset.name=of-another-machine"])
    file_elsewhere = tmp_path / "elsewhere.json"
    file_elsewhere.write_text(configurations.to_text(elsewhere.to_json()))
    assert list(read(config=file_elsewhere, task=SERIES).warnings()) == []
    for source in (whole, file, str(file)):
        assert list(read(config=source, task=SERIES).warnings()) == []
        told = list(read(config=source, task=SERIES, random_state=1, max_hours=1, n_jobs=1).warnings())
        assert ["max_hours" in told[0], "others.seed (4)" in told[1]] == [True, True], told
