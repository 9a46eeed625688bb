"""`popnas doctor`."""

import json
from importlib import metadata
from importlib.metadata import EntryPoint

from popnas import evaluators, executors, objectives, operators, predictors, registry, tasks, trackers
from popnas.cli.main import run
from popnas.datasets import SOURCES
from popnas.networks.macros import MACROS
from popnas.report.figures import FIGURES

FAMILIES = (evaluators, executors, objectives, operators, predictors, tasks, trackers)


def test_doctor_tells_what_a_bug_report_needs(capsys):
    assert run(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["system"]["popnas"] == metadata.version("popnas")
    assert facts["system"]["cores_usable"] >= 1
    assert facts["system"]["memory_gib"] > 0
    assert facts["device"]["threads"] >= 1
    assert facts["device"]["bf16_speed_against_fp32"] > 0
    assert facts["packages"]["torch"]
    assert "pytest" not in facts["packages"]


def test_doctor_for_people(capsys):
    assert run(["doctor"]) == 0
    shown = capsys.readouterr().out
    for line in ("system\n", "\ndevice\n", "\npackages\n", "  python "):
        assert line in shown


def test_doctor_tells_what_plug_ins_bring_and_which_is_broken(capsys, monkeypatch):
    sound = EntryPoint("mine", "json:loads", "popnas.operators")
    broken = EntryPoint("yours", "no_such_module_at_all:Task", "popnas.tasks")
    given = {"popnas.operators": [sound], "popnas.tasks": [broken]}
    monkeypatch.setattr(registry, "entry_points", lambda group: given.get(group, []))
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["plug-ins"]
    assert set(found) == {"operators mine", "tasks yours"} and "broken" not in found["operators mine"]
    assert "broken: the entry point 'yours'" in found["tasks yours"]
    assert "No module named" in found["tasks yours"]


def test_doctor_knows_the_entry_point_groups_of_all_families():
    modules = [SOURCES, MACROS, FIGURES, *(module.REGISTRY for module in FAMILIES)]
    assert {each.group for each in modules} == set(registry.GROUPS)
