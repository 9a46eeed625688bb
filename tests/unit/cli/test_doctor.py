"""`popnas doctor`."""

import json
from importlib import metadata

from popnas.cli.main import run


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
