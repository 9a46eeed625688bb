"""Runs whose parts no package brings any more: the package that is gone is asked for, in every command."""

from pathlib import Path

import pytest

from popnas import executors, tasks, trackers
from popnas.cli.main import run as popnas
from popnas.errors import ConfigError, UnknownNameError
from popnas.networks.macros import MACROS
from popnas.operators import _base as operators
from popnas.runs import RunFolder
from popnas.workflows.settings import load_config, load_run_config


def remove(registry, names, monkeypatch):
    """As if the package that brought these parts were not installed."""
    registry.names()  # all are found once
    left = {name: part for name, part in registry._parts.items() if name not in names}
    monkeypatch.setattr(registry, "_parts", left)
    operators.parse.cache_clear()  # what it has parsed before
    operators._parse_spelling.cache_clear()


@pytest.mark.parametrize(
    ("registry", "name", "words"),
    [
        (tasks.REGISTRY, "image_classification", "the task 'image_classification' (dataset.type)"),
        (executors.REGISTRY, "inline", "the executor 'inline' (others.executor.kind)"),
        (operators.REGISTRY, "conv", "the operator '3x3 conv' (search_space.operators["),
        (MACROS, "classification", "the macro-architecture 'classification'"),
        (trackers.REGISTRY, "tensorboard", "the tracker 'tensorboard' (others.trackers[0])"),
    ],
)
def test_a_part_that_is_gone_is_named_with_what_helps(registry, name, words, config, tmp_path, monkeypatch):
    document = config(
        **{
            "others.executor": {"kind": "inline"},
            "search_space.operators": ["identity", "3x3 conv"],
            "architecture_hyperparameters.macro_architecture": "classification",
            "others.trackers": ["tensorboard"],
        }
    )
    folder = RunFolder.create(tmp_path / "run", load_config(document).to_json())
    remove(registry, [name], monkeypatch)
    with pytest.raises(UnknownNameError) as caught:
        load_run_config(folder)
    assert words in str(caught.value)
    assert "that no package installed here brings" in str(caught.value)
    assert "Install the package that it was made with" in str(caught.value)


def test_a_mistake_in_a_change_is_still_told_as_one(config, tmp_path):
    folder = RunFolder.create(tmp_path / "run", load_config(config()).to_json())
    with pytest.raises(ConfigError, match="no executor is named 'inlin'"):
        load_run_config(folder, sets=["others.executor.kind=inlin"])


@pytest.mark.parametrize("command", [["report"], ["search", "-r"], ["select", "-p"], ["train", "-p"]])
def test_every_command_says_so(command, run: Path, monkeypatch, capsys):
    remove(tasks.REGISTRY, ["image_classification"], monkeypatch)
    assert popnas([*command, str(run)]) != 0
    told = " ".join(capsys.readouterr().err.split())
    assert "the task 'image_classification' (dataset.type)" in told and "Install the package" in told
