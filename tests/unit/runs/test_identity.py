"""Files of two runs in one folder are refused, whichever is the stranger; no sound one is to be removed."""

import json
import shutil
from pathlib import Path

import pytest

from popnas.errors import RunFolderError
from popnas.runs import RunFolder, identity
from popnas.runs.journal import ending
from popnas.storage import write_json

OLD = Path(__file__).parents[2] / "data" / "journal_0.1.0"
CONFIG = {"search_space": {"blocks": 2}, "others": {"seed": 7, "executor": {"kind": "inline"}}}
OTHER = {**CONFIG, "search_space": {"blocks": 3}}
SIGNED = [
    "best_model/model.json",
    "model_selection/selection.json",
    "final_training/training.json",
    "e2e.json",
]


def make(path, config=CONFIG, *, num_events=3, signed=()):
    folder = RunFolder.create(path, config, volatile={"host": path.name, "time": "2026-01-02"})
    with folder.journal as journal:
        for step in range(num_events):
            journal.append("step_finished", {"step": step})
    for name in signed:
        write_json(path / name, {identity.KEY: identity.of(path)}, is_proven=True)
    return folder


def put(names, source, target):
    for name in names:
        (target.path / name).parent.mkdir(exist_ok=True)
        shutil.copy(source.path / name, target.path / name)


@pytest.fixture(params=[CONFIG, OTHER], ids=["same configuration", "another configuration"])
def runs(request, tmp_path):
    """This run and another one, which ran the same or another configuration."""
    return make(tmp_path / "mine", signed=SIGNED), make(tmp_path / "other", request.param, signed=SIGNED)


JOURNAL, END, RUN_JSON = "restore/journal.jsonl", "restore/journal.end", "restore/run.json"


def test_runs_of_one_configuration_are_two(tmp_path):
    ids = {identity.of(make(tmp_path / name).path) for name in "abc"}
    assert len(ids) == 3
    assert None not in ids
    assert identity.of(tmp_path / "nowhere") is None


@pytest.mark.parametrize("num_events", [0, 1, 3, 8])
@pytest.mark.parametrize("config", [CONFIG, OTHER])
@pytest.mark.parametrize("signed", [[], SIGNED])
def test_a_foreign_journal(tmp_path, num_events, config, signed):
    mine = make(tmp_path / "mine", signed=signed)
    other = make(tmp_path / "other", config, num_events=num_events)
    put([JOURNAL], other, mine)
    with pytest.raises(RunFolderError) as told:
        RunFolder.open(mine.path)
    words = str(told.value)
    assert words.startswith(f"{mine.journal_path} is of another run (begun 2026-01-02 on other, seed 7)")
    assert "Put back this run's own copy; the other files are sound." in words
    assert ("search_space.blocks is 3 in the journal and 2 in run.json" in words) == (config is OTHER)
    assert "remove" not in words


def test_a_foreign_journal_with_its_note(tmp_path):
    mine, other = make(tmp_path / "mine", signed=SIGNED), make(tmp_path / "other", OTHER)
    put([JOURNAL, END], other, mine)
    with pytest.raises(RunFolderError, match=r"journal.end are of another run .* the other"):
        RunFolder.open(mine.path)


def test_a_foreign_journal_with_all_of_restore(tmp_path, runs):
    mine, other = runs
    put([JOURNAL, END, RUN_JSON], other, mine)
    with pytest.raises(RunFolderError, match=r"model.json .* of another run than its journal") as told:
        RunFolder.open(mine.path)
    assert "remove" not in str(told.value)


def test_a_foreign_note(runs):
    mine, other = runs
    put([END], other, mine)
    with pytest.raises(RunFolderError, match=r"journal.end is of another run .*: remove it") as told:
        RunFolder.open(mine.path)
    assert str(mine.path / "best_model/model.json") in str(told.value)
    (mine.path / END).unlink()  # the remedy
    assert RunFolder.open(mine.path).state().finished_steps == {0, 1, 2}


@pytest.mark.parametrize("has_note", [True, False])
def test_a_foreign_configuration(tmp_path, has_note):
    mine, other = make(tmp_path / "mine"), make(tmp_path / "other", OTHER)
    put([RUN_JSON], other, mine)
    if not has_note:
        (mine.path / END).unlink()
    with pytest.raises(RunFolderError) as told:
        RunFolder.open(mine.path)
    words = str(told.value)
    assert "search_space.blocks is 2 in the journal and 3 in run.json" in words
    assert ("move it out of the folder" in words) == has_note
    assert ("One of the two was changed, or is of another run" in words) != has_note
    shutil.move(mine.path / RUN_JSON, tmp_path)
    assert RunFolder.open(mine.path).config_json() == CONFIG


@pytest.mark.parametrize("name", SIGNED)
def test_a_foreign_file_of_a_later_stage(runs, tmp_path, name):
    mine, other = runs
    put([name], other, mine)
    with pytest.raises(RunFolderError) as told:
        RunFolder.open(mine.path)
    words = str(told.value)
    assert words.startswith(f"{mine.path / name} in {mine.path} is of another run than its journal")
    moved = (mine.path / name).parent if "/" in name else mine.path / name
    assert f"or move {moved} out of the run's folder" in words
    shutil.move(moved, tmp_path / "aside")  # the remedy
    RunFolder.open(mine.path)


def test_a_copy_of_a_run_that_went_on_by_itself(tmp_path):
    mine = make(tmp_path / "mine")
    shutil.copytree(mine.path, tmp_path / "twin")
    twin = RunFolder(tmp_path / "twin")
    for folder, steps in ((mine, (3, 4)), (twin, (5, 6, 7))):
        with folder.journal as journal:
            for step in steps:
                journal.append("step_finished", {"step": step})
    put([JOURNAL], twin, mine)
    with pytest.raises(RunFolderError, match=r"is of a copy of this run that went on .*: line 6 is not"):
        RunFolder.open(mine.path)
    ending.path_beside(mine.journal_path).unlink()  # the remedy for one who means it
    assert RunFolder.open(mine.path).state().finished_steps == {0, 1, 2, 5, 6, 7}


def test_what_went_on_elsewhere_may_come_back(tmp_path):
    mine = make(tmp_path / "mine")
    shutil.copytree(mine.path, tmp_path / "cluster")
    elsewhere = RunFolder(tmp_path / "cluster")
    with elsewhere.journal as journal:
        journal.append("step_finished", {"step": 3})
    put([JOURNAL], elsewhere, mine)
    assert RunFolder.open(mine.path).state().finished_steps == {0, 1, 2, 3}
    lines = mine.journal_path.read_bytes().splitlines(keepends=True)
    mine.journal_path.write_bytes(b"".join(lines[:3]))  # an older copy: told, and the search goes on
    assert RunFolder.open(mine.path).state().finished_steps == {0, 1}


def test_a_later_stages_file_knows_the_run_in_whose_folder_it_lies(runs):
    mine, other = runs
    path = mine.path / "best_model" / "model.json"
    own, foreign = (json.loads((run.path / "best_model/model.json").read_text()) for run in runs)
    identity.check(path, own["run"])
    identity.check(path, None)  # of a popnas that did not say
    with pytest.raises(RunFolderError, match=r"model.json is of another run than .*journal.jsonl. Put back"):
        identity.check(path, foreign["run"])
    alone = other.path.parent / "model.json"
    identity.check(alone, foreign["run"])


def test_a_foreign_note_beside_a_journal_without_checksums_is_told_as_what_it_is(tmp_path):
    """popnas 0.1.0 signed nothing: the journal is not blamed, and the run opens when the note is gone."""
    old = RunFolder(shutil.copytree(OLD, tmp_path / "old" / "restore").parent)
    put([END], make(tmp_path / "other"), old)
    with pytest.raises(RunFolderError) as told:
        RunFolder.open(old.path)
    note = ending.path_beside(old.journal_path)
    words = str(told.value)
    assert words.startswith(f"{note} is of another journal than {old.journal_path}, which popnas 0.1.0 began")
    assert f"remove {note}" in words and "otherwise put back" in words
    note.unlink()
    RunFolder.open(old.path)
