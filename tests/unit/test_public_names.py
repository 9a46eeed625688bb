"""The public names: pinned, and each resolves."""

from types import ModuleType

import pytest

import popnas
from popnas.api import backends
from popnas.report.figures import FIGURES
from popnas.workflows.settings import load_config

NAMES = [
    "Block",
    "Cell",
    "CellChoice",
    "Evaluation",
    "LoadedModel",
    "ModelEvaluation",
    "NetworkChoice",
    "PopnasClassifier",
    "PopnasError",
    "Run",
    "RunConfig",
    "SearchResult",
    "SearchSpace",
    "SelectionResult",
    "StageChanges",
    "TrainedModel",
    "UserError",
    "__version__",
    "evaluate",
    "load",
    "resume",
    "search",
    "select",
    "train",
    "watch",
]


def test_the_names_are_these():
    assert popnas.__all__ == NAMES
    offered = {name for name in dir(popnas) if not name.startswith("__") and name not in NAMES}
    assert set(NAMES) <= set(dir(popnas))
    assert not [name for name in offered if not isinstance(getattr(popnas, name), ModuleType)]
    assert not offered & {"Any", "TYPE_CHECKING", "annotations", "os", "sys", "attribute"}


@pytest.mark.parametrize("name", NAMES)
def test_each_resolves(name):
    assert getattr(popnas, name) is not None


def test_no_other_name():
    with pytest.raises(AttributeError, match="module 'popnas' has no attribute 'serch'"):
        _ = popnas.serch


PLACES = {
    "load": popnas.load,
    "Run": popnas.Run,
    "evaluate": popnas.evaluate,
    "resume": popnas.resume,
    "select": popnas.select,
    "train": popnas.train,
    "logs": lambda logs: popnas.search("run_debug", logs=logs, name="a"),
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("value", [None, 5, True, 2.5, b"logs", "", [], {}, range(2)], ids=repr)
def test_what_is_no_path_is_told_as_what_it_is(name, value, tmp_path, monkeypatch):
    """Not by a TypeError of pathlib's; and an empty text is not the folder that one is in."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(popnas.UserError, match=r"is given as a text or a pathlib\.Path, got ") as found:
        PLACES[name](value)
    shown = str(found.value).rpartition("got ")[2]
    assert shown.startswith(repr(value)[:20])
    assert shown == "''." or f"({type(value).__name__})" in shown
    assert not list(tmp_path.iterdir())


def of_run(call):
    """A call with a run that is there; it is refused before anything is read."""
    return lambda value: call("logs/nowhere", value)


TYPED = {
    "cells": of_run(popnas.select),
    "network": of_run(popnas.train),
    "changes of a selection": lambda value: popnas.select("logs/nowhere", changes=value),
    "changes of a training": lambda value: popnas.train("logs/nowhere", changes=value),
    "num_cells": popnas.CellChoice,
    "source": lambda value: popnas.CellChoice(source=value),
    "params": lambda value: popnas.CellChoice(params=value),
    "cell of a network": popnas.NetworkChoice,
    "filters": lambda value: popnas.NetworkChoice(filters=value),
    "batch_size": popnas.StageChanges,
    "train_strategy": lambda value: popnas.StageChanges(train_strategy=value),
    "name": lambda value: popnas.search("run_debug", name=value),
    "blocks": popnas.Cell,
    "block": lambda value: popnas.Cell((value,)),
    "num_blocks": lambda value: popnas.SearchSpace(["identity"], value, 2),
}


@pytest.mark.parametrize("what", TYPED)
@pytest.mark.parametrize("value", [True, 2.5, [1], {"a": 1}, range(2)], ids=repr)
def test_what_is_of_another_type_is_told_with_its_value(what, value, tmp_path, monkeypatch):
    """Not by whatever breaks on it further down."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(popnas.UserError) as found:
        TYPED[what](value)
    assert repr(value)[:10] in str(found.value)


@pytest.mark.parametrize("sets", ["others.max_hours=1", 5, {"a": 1}, [5]], ids=repr)
def test_changes_are_a_list_of_texts(sets):
    with pytest.raises(popnas.UserError, match=r"`sets`.* must be a"):
        load_config("run_debug", sets=sets)


def test_one_name_is_no_list_and_a_cell_is_parsed():
    for operators in (5, None):
        with pytest.raises(popnas.UserError, match=f"must be several names, got {operators!r}"):
            popnas.SearchSpace(operators, 2, 2)
    with pytest.raises(popnas.UserError, match=r"Cell\.parse\(text\), got '\[\(-1"):
        popnas.Cell("[(-1, identity, -1, identity)]")
    with pytest.raises(popnas.UserError, match="at least 1, got -1"):
        popnas.CellChoice(-1)


@pytest.mark.parametrize("name", [None, 5, [1], {"a": 1}, b"onnx"], ids=repr)
def test_what_is_no_name_is_answered_with_the_names(name):
    with pytest.raises(popnas.UserError, match=r"Choose one of: .*hypervolume"):
        FIGURES.get(name)
    with pytest.raises(popnas.UserError, match="backend must be one of"):
        backends.check_name(name)
