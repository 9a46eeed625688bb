"""A run folder is there whole or not at all, and says what is wrong with it."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from popnas.errors import RunFolderError, StorageError
from popnas.runs import RunFolder
from popnas.runs import folder as folders
from popnas.runs.folder import check_place_of_run, create_run, place_of_run, search_part
from popnas.runs.journal import Event, checksum
from popnas.workflows.tables.comparing.folder import ComparisonFolder
from popnas.workflows.tables.folder import BuildFolder

CONFIG = {
    "search_space": {"blocks": 2},
    "others": {"seed": 7, "executor": {"kind": "inline"}, "train_strategy": "CPU", "max_hours": None},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "trial"


def test_a_new_folder_can_be_opened(path):
    RunFolder.create(path, CONFIG, volatile={"host": "here"})
    folder = RunFolder.open(path)
    assert folder.config_json() == CONFIG
    assert folder.name == "trial"
    (event,) = folder.journal.events()
    assert (event.event, event.content["version"], event.content["seed"]) == ("run_started", 1, 7)
    assert len(event.volatile.pop("token")) == 16
    assert event.volatile == {
        "host": "here",
        "execution": {"executor": {"kind": "inline"}, "train_strategy": "CPU", "max_hours": None},
    }
    assert (
        folder.state().config == search_part(CONFIG) == {"search_space": {"blocks": 2}, "others": {"seed": 7}}
    )
    assert [item.name for item in path.parent.iterdir()] == ["trial"]


def test_the_first_event_does_not_depend_on_executor_device_and_limits(path, tmp_path):
    other = {**CONFIG, "others": {"seed": 7, "executor": {"kind": "processes"}, "max_hours": 3}}
    RunFolder.create(path, CONFIG)
    RunFolder.create(tmp_path / "other", other)
    first, second = (RunFolder.open(item).journal.events()[0] for item in (path, tmp_path / "other"))
    assert first.content == second.content


def test_files_are_as_readable_as_any_other(path):
    umask = os.umask(0o022)
    try:
        folder = RunFolder.create(path, CONFIG)
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o755
    assert folder.run_json.stat().st_mode & 0o777 == 0o644
    assert folder.journal_path.stat().st_mode & 0o777 == 0o644


def test_what_exists_is_not_overwritten(path):
    RunFolder.create(path, CONFIG)
    with pytest.raises(
        RunFolderError,
        match=rf"{path} exists already\. Resume it with popnas search -r .* or choose another `name`",
    ):
        RunFolder.create(path, CONFIG)
    file = path.parent / "file"
    file.write_text("")
    with pytest.raises(RunFolderError, match="exists already"):
        RunFolder.create(file, CONFIG)
    assert file.read_text() == ""


def test_an_empty_folder_may_be_used(path):
    path.mkdir(parents=True)
    RunFolder.create(path, CONFIG)
    RunFolder.open(path)


def test_of_two_that_create_the_same_folder_at_once_one_is_told(path, monkeypatch):
    real = os.rename

    def rename(source, target):
        monkeypatch.setattr(os, "rename", real)
        RunFolder.create(path, CONFIG)  # the other one was faster
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(RunFolderError, match="exists already"):
        RunFolder.create(path, CONFIG)
    RunFolder.open(path)
    assert [item.name for item in path.parent.iterdir()] == ["trial"]


KILLED = """
import os, sys
from popnas.errors import RunFolderError
from popnas.runs import RunFolder
from popnas.runs import folder as folders

def dying_after(count, name):
    real = getattr(os, name)
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os._exit(0)
        return real(*arguments, **options)
    setattr(os, name, call)

for count in range(40):
    path = f"{sys.argv[1]}/run{count}"
    child = os.fork()
    if child == 0:
        left = count
        for name in ("open", "write", "fsync", "replace", "rename", "mkdir", "ftruncate", "chmod"):
            dying_after(count, name)
        RunFolder.create(path, {"others": {"seed": 1}})
        os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.path.exists(path):
        assert RunFolder.open(path).state().seed == 1
        print("whole")
    else:
        RunFolder.create(path, {"others": {"seed": 1}})
        print("absent")
    if status:
        break
"""


def test_killed_at_any_call_it_is_whole_or_absent(tmp_path):
    """Each child dies one system call later than the one before."""
    answer = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    found = answer.stdout.split()
    assert found.count("absent") >= 8
    assert found == ["absent"] * found.count("absent") + ["whole"] * found.count("whole")
    assert found[-1] == "whole"


def test_leftovers_of_killed_creations_go_after_an_hour(path):
    old, young = path.parent / ".popnas-new-old", path.parent / ".popnas-new-young"
    for item in (old, young):
        item.mkdir(parents=True)
    os.utime(old, (time.time() - 7200,) * 2)
    RunFolder.create(path, CONFIG)
    assert not old.exists()
    assert young.exists()


def test_a_refusing_disk_is_a_storage_error_and_leaves_nothing(path, monkeypatch):
    def refuse(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="disk is full"):
        RunFolder.create(path, CONFIG)
    assert list(path.parent.iterdir()) == []


def test_a_missing_folder_lists_runs_and_the_nearest(path):
    RunFolder.create(path, CONFIG)
    with pytest.raises(RunFolderError, match=r"does not exist\. Did you mean '.*/trial'\? Runs in .*: trial"):
        RunFolder.open(path.parent / "trail")
    with pytest.raises(RunFolderError, match="is a file"):
        RunFolder.open(path / "restore" / "run.json")


def test_a_folder_that_is_no_run(path):
    path.mkdir(parents=True)
    with pytest.raises(RunFolderError, match=r"no restore/journal\.jsonl.*Give the folder of a run"):
        RunFolder.open(path)
    RunFolder.create(path / "inner", CONFIG)
    with pytest.raises(RunFolderError, match=r"no restore/journal\.jsonl\. Runs in .*: inner\."):
        RunFolder.open(path)


@pytest.mark.parametrize(("command", "place"), [("build", BuildFolder), ("compare", ComparisonFolder)])
def test_a_folder_of_another_command_says_whose_it_is(path, command, place):
    with place(path).made():
        place(path).start({"version": 1}, {})
    with pytest.raises(RunFolderError, match=rf"goes on with `.*popnas bench {command} -r .*trial`"):
        RunFolder.open(path)


def test_a_name_that_cannot_be_is_a_users_mistake(path):
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(RunFolderError, match="exists already"):
        RunFolder.create(path, CONFIG)
    with pytest.raises(RunFolderError, match=r"trial is a file\. Choose another `name`"):
        RunFolder.create(path / "inner", CONFIG)
    with pytest.raises(RunFolderError, match=r"longer than the file system allows\. Choose another `name`"):
        RunFolder.create(path.parent / ("a" * 300), CONFIG)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b'{"seq":1,"event":"run_st'])
def test_a_journal_without_a_first_event_is_explained(path, data):
    folder = RunFolder.create(path, CONFIG)
    folder.journal_path.write_bytes(data)
    with pytest.raises(RunFolderError, match="does not begin with a whole event 'run_started'"):
        RunFolder.open(path)


def test_another_version_is_refused(path):
    folder = RunFolder.create(path, CONFIG)
    (event,) = folder.journal.events()
    later = Event(1, event.event, {**event.content, "version": 2}, event.volatile)
    folder.journal_path.write_bytes(later.line(checksum(b"")))
    with pytest.raises(RunFolderError, match="version 2 of the run folder's format"):
        RunFolder.open(path)


def test_a_changed_configuration_is_noticed(path, caplog):
    folder = RunFolder.create(path, CONFIG)
    changed = {**CONFIG, "others": {**CONFIG["others"], "max_hours": 1}}
    folder.run_json.write_text(json.dumps(changed))
    RunFolder.open(path)
    assert "run.json has others.max_hours = 1, where the run was started with null" in caplog.text
    folder.run_json.write_text(json.dumps({**CONFIG, "search_space": {"blocks": 3}}))
    with pytest.raises(RunFolderError, match=r"search_space.blocks is 2 in the journal and 3 in run.json"):
        RunFolder.open(path)
    folder.run_json.unlink()  # the remedy
    assert RunFolder.open(path).config_json() == CONFIG


@pytest.mark.parametrize("damage", ["[1]", '{"search_space', None])
def test_a_lost_configuration_comes_from_the_journal_whole(path, damage, caplog):
    folder = RunFolder.create(path, CONFIG)
    if damage is None:
        folder.run_json.unlink()
    else:
        folder.run_json.write_text(damage)
    assert RunFolder.open(path).config_json() == CONFIG
    assert "run.json is missing or damaged: the configuration is taken from the run's journal" in caplog.text


@pytest.mark.parametrize("name", ["../x", "a/b", "/tmp/x", "..", ".", ""])
def test_a_name_that_leads_elsewhere(name):
    with pytest.raises(RunFolderError, match="cannot be a run's folder in logs: take one name"):
        place_of_run("logs", name)


@pytest.mark.parametrize("name", ["..", "a/..", "a/.hid", "a/b.", "a/x:y", "a/-x", "/", "a/b", "", "a/ "])
def test_the_name_that_a_refusal_proposes_is_allowed(name):
    with pytest.raises(RunFolderError, match=r"such as '[^']+'") as told:
        place_of_run("logs", name)
    proposed = re.search("such as '([^']+)'", str(told.value))[1]
    assert place_of_run("logs", proposed) == Path("logs") / proposed


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("-x", "begins with '-' and would be taken for an option"),
        ("--json", "begins with '-'"),
        (".hid", "begins with '.'"),
        ("~me", "begins with '~'"),
        ("x ", "ends with a space"),
        ("nul", "is the name of a device on Windows, so that the run could not be copied"),
        ("Com1.first", "is the name of a device on Windows"),
        ("first.", "ends with a dot, which is left out on Windows"),
        ("lr:0.1?", "holds : \\?, which no name may hold on Windows"),
        ("a\\b", "on Windows"),
        ("\ud800", "no text that can be written"),
        ("x" * 201, "longer than 200 bytes"),
        ("\u00fc" * 101, "longer than 200 bytes"),
    ],
)
def test_names_that_would_do_harm_later_are_refused(name, words):
    with pytest.raises(RunFolderError, match=words):
        place_of_run("logs", name)


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "\x1b[31mred", "bell\x07"])
def test_a_name_that_breaks_lines(name):
    with pytest.raises(RunFolderError, match="holds control characters: take one name"):
        place_of_run("logs", name)


@pytest.mark.parametrize("name", ["console", "com", "com10", "null-model", "my.nul", "aux2"])
def test_names_like_those_of_devices_are_names(name):
    assert place_of_run("logs", name) == Path("logs") / name


def test_a_run_has_its_place_below_logs():
    assert place_of_run("logs", "first run.1") == Path("logs/first run.1")
    assert re.fullmatch(r"\d{4}(-\d\d){5}", place_of_run("logs", None).name)


def test_default_names_of_runs_that_start_at_once_differ(tmp_path, monkeypatch):
    class Now(datetime):
        @classmethod
        def now(cls, zone=None):
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(folders, "datetime", Now)
    made = [create_run(tmp_path, None, lambda path: RunFolder.create(path, CONFIG)).name for _ in range(3)]
    assert made == ["2026-01-02-03-04-05", "2026-01-02-03-04-05-2", "2026-01-02-03-04-05-3"]
    with pytest.raises(RunFolderError, match="exists already"):
        create_run(tmp_path, made[0], lambda path: RunFolder.create(path, CONFIG))


def test_a_place_that_is_taken_is_refused_before_work(tmp_path):
    check_place_of_run(tmp_path / "logs", "first")
    (tmp_path / "logs" / "empty").mkdir(parents=True)
    check_place_of_run(tmp_path / "logs", "empty")
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["empty"]
    RunFolder.create(tmp_path / "logs" / "first", CONFIG)
    with pytest.raises(folders.RunExistsError, match="popnas search -r"):
        check_place_of_run(tmp_path / "logs", "first")
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="is a file"):
        check_place_of_run(tmp_path / "file", None)
