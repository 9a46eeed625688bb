"""`popnas config`."""

import json
import shlex

import pytest

from popnas.cli.main import run


def test_check_of_a_good_configuration(capsys):
    assert run(["config", "check", "-j", "run_debug"]) == 0
    assert capsys.readouterr().out == "run_debug: no mistakes.\n"


def test_check_warns_of_what_has_no_effect(capsys):
    assert run(["config", "check", "-j", "run_debug", "--set", "dataset.normalize=true"]) == 0
    assert capsys.readouterr().err == (
        "Warning: dataset.normalize: has no effect on images (they are scaled to 0..1); it is for series.\n"
    )


def test_check_names_all_mistakes_those_in_names_too(capsys):
    sets = ["--set", "search_space.blocks=0", "--set", 'search_space.operators=["3x3 conf", "7 conv"]']
    assert run(["config", "check", "-j", "run_debug", *sets]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("Error: 3 mistakes in the preset 'run_debug':\n")
    for place in ("search_space.blocks", "search_space.operators[0]", "search_space.operators[1]"):
        assert f"\n  {place}: " in shown


def test_check_as_json(capsys):
    assert run(["config", "check", "-j", "run_debug", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["is_valid"]
    assert answer["problems"] == []
    assert answer["config"]["search_space"]["blocks"] == 2


def test_mistakes_as_json(capsys):
    assert run(["config", "check", "-j", "run_debug", "--set", "search_space.blocks=0", "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert not answer["is_valid"]
    assert answer["problems"] == [
        {
            "place": "search_space.blocks",
            "value": 0,
            "message": "must be a whole number, at least 1 and at most 32, got 0. (from --set)",
        }
    ]
    assert answer["config"] is None


def test_a_file_that_is_not_there_as_json(capsys):
    assert run(["config", "check", "-j", "no_such_preset", "--json"]) == 2
    assert "is neither a file nor a preset" in json.loads(capsys.readouterr().out)["problems"][0]["message"]


def test_schema(capsys):
    assert run(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "popnas configuration"


def test_data_that_are_not_there_are_told_with_the_other_mistakes(tmp_path, capsys):
    """Alone they are a warning (they may come later); beside mistakes they would take another round."""
    sets = ["--set", f"dataset.path={tmp_path}/nowhere", "--set", "search_space.blocks=0"]
    assert run(["config", "check", "-j", "run_debug", "--json", *sets]) == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [problem["place"] for problem in problems] == ["search_space.blocks", "dataset.path"]
    assert problems[1]["value"] == f"{tmp_path}/nowhere" and "does not exist" in problems[1]["message"]
    assert run(["config", "check", "-j", "run_debug", *sets[:2]]) == 0
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("search_space.operators=[identity,3x3 conv]", 'search_space.operators=["identity", "3x3 conv"]'),
        ("search_space.operators=identity, 3x3 conv", 'search_space.operators=["identity", "3x3 conv"]'),
        ("others.trackers=[tensorboard]", 'others.trackers=["tensorboard"]'),
    ],
)
def test_a_list_whose_quotes_the_shell_took_is_told_as_it_is_typed(given, meant, capsys):
    assert run(["config", "check", "-j", "run_debug", "--set", given]) == 2
    told = " ".join(capsys.readouterr().err.split())
    typed = shlex.split(told[told.index("--set '") : told.index(" (from --set)")].rstrip("."))
    assert typed == ["--set", meant]
    assert run(["config", "check", "-j", "run_debug", *typed]) == 0


@pytest.mark.parametrize("field", ["search_space.blocks", "dataset.name", "others.seed"])
def test_what_is_no_list_is_told_nothing_of_quotes(field, capsys):
    run(["config", "check", "-j", "run_debug", "--set", f"{field}=[a"])
    assert "single quotes" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["search", "plan"])
def test_the_example_of_a_list_in_the_help_works(command, capsys):
    assert run([command, "-h"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    typed = shlex.split(told[told.index("--set 'search") :].partition(". ")[0])
    assert run(["config", "check", "-j", "run_debug", *typed]) == 0
