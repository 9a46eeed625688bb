"""Every stored file, spoiled in every way, met by every command that reads it; and the remedies, carried out.

The files, the damages and the commands are in `stored_faults.py`, which also runs all of them:
    python tests/faults/stored_faults.py --seed 1
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("stored_faults", Path(__file__).with_name("stored_faults.py"))
stored_faults = importlib.util.module_from_spec(SPEC)
sys.modules["stored_faults"] = stored_faults
SPEC.loader.exec_module(stored_faults)

_EVERY = 8
"""One case of so many runs in the short suite; others of each file and each damage."""

CASES = [
    pytest.param(name, damage, marks=[] if (row + column) % _EVERY == 0 else pytest.mark.slow)
    for row, name in enumerate(stored_faults.READERS)
    for column, damage in enumerate(stored_faults.DAMAGES)
]
DAMAGES = {damage.name: damage for damage in stored_faults.DAMAGES}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    sound, other = place / "sound", place / "other"
    return stored_faults.make_run(sound), stored_faults.make_run(other, seed=1)


@pytest.fixture
def run(runs, tmp_path):
    return Path(shutil.copytree(runs[0], tmp_path / "run"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "damage"), CASES, ids=lambda value: getattr(value, "name", value))
def test_what_is_spoiled_is_named_in_words_or_not_needed(runs, run, name, damage):
    assert stored_faults.wrong_with(name, damage, run, runs[1], 1) is None


def refusal(call, run):
    status, words = stored_faults.answer(call, run)
    assert status == 2, words
    return words


def test_a_link_is_mended_by_the_command_that_the_message_gives(run):
    for name, call in (
        ("model_selection/selection.json", stored_faults.SELECT),
        ("best_model/weights.safetensors", stored_faults.EVALUATE),
        ("restore/run.json", stored_faults.PICK),
    ):
        stored_faults._link_out(run / name, run, None)
        words = refusal(call, run)
        assert f"{run / name} is a link that leads out of the run's folder" in words
        subprocess.run(["sh", "-c", words.partition(" it leads to: ")[2]], check=True)
        assert not (run / name).is_symlink()
        assert stored_faults.answer(call, run)[0] == 0


def test_a_plan_that_names_other_folders_is_refused_and_made_again(run):
    plan = run / "model_selection" / "selection.json"
    text = plan.read_text().replace("0-m2-n1-f4", "../../outside")
    plan.write_text(re.sub(r',\s*"sha256": "[0-9a-f]{64}"\s*\}\s*$', "}", text))
    words = refusal(stored_faults.TRAIN, run)
    assert "../../outside" in words
    assert "remove it, and the same popnas select plans anew" in words
    plan.unlink()
    assert stored_faults.answer(stored_faults.SELECT, run)[0] == 0
    assert '"0-m2-n1-f4"' in plan.read_text()


SELECTED, STOPPED = stored_faults.SELECTED, stored_faults.STOPPED


@pytest.mark.parametrize(
    ("name", "call", "removed"),
    [
        (f"{SELECTED}/training.json", stored_faults.SELECT, SELECTED),
        (f"{SELECTED}/model.json", stored_faults.SELECT, SELECTED),
        (f"{SELECTED}/failed.json", stored_faults.SELECT, f"{SELECTED}/failed.json"),
        (f"{STOPPED}/checkpoint.pt", stored_faults.GO_ON, f"{STOPPED}/checkpoint.pt"),
        (f"{STOPPED}/training.json", stored_faults.GO_ON, STOPPED),
        ("best_model/model.json", stored_faults.EVALUATE, "best_model"),
        ("restore/run.json", stored_faults.PICK, "restore/run.json"),
    ],
)
def test_what_is_removed_as_the_message_says_is_made_again(run, name, call, removed):
    (run / name).unlink()
    (run / name).mkdir()
    words = refusal(call, run)
    assert str(run / removed) in words
    assert re.search(r"[Rr]emove|move", words), words
    path = run / removed
    (run / name).rmdir() if path == run / name else shutil.rmtree(path)
    if call is stored_faults.EVALUATE:  # of the search's model, whose command is named
        assert "search -r" in words
        assert stored_faults.answer(stored_faults.RESUME, run)[0] == 0
    status, words = stored_faults.answer(call, run)
    assert status == 0, words
    assert (run / name).is_file() or path == run / name
