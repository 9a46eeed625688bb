"""The queue, and child processes that outlive the server."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from popnas.errors import StorageError, UserError
from popnas.resources import start_of
from popnas.runs.lock import RunLock, holder
from popnas.server.jobs import process, queue
from popnas.server.jobs.process import JobProcess
from popnas.server.jobs.queue import BusyError, JobQueue, move_to_trash

from .conftest import ServeProcess, make_run

# In place of a command of popnas: says where its end is to be told, and sleeps with a child of its own.
SLEEPER = """
import os, subprocess, sys, time
from pathlib import Path
from popnas.cli.terminal.detached import _tell_end, _tell_who
time.sleep({1})
{0}
_tell_who(int(sys.argv[1]))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(sys.argv[3]).write_text(str(child.pid))
time.sleep(600)
"""


CHILDREN: list[subprocess.Popen[bytes]] = []


def until(is_so: Callable[[], Any], seconds: float = 30.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.05)
    return found


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def stubborn(monkeypatch, tmp_path) -> Iterator[Path]:
    """Jobs are processes that do not end when they are asked; the file names the child of one."""
    _replace_commands(monkeypatch, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    yield tmp_path / "child"


@pytest.fixture
def obedient(monkeypatch, tmp_path) -> Iterator[Path]:
    _replace_commands(monkeypatch, "")
    yield tmp_path / "child"


@pytest.fixture
def late(monkeypatch, tmp_path) -> Iterator[Path]:
    """Jobs that have said who they are a second after they were started, and note every wish to end."""
    asked = "open(sys.argv[3] + '.asked', 'a').write('x')"
    line = f"import signal; signal.signal(signal.SIGTERM, lambda *_: {asked})"
    _replace_commands(monkeypatch, line, seconds=1.0)
    yield tmp_path / "child"


def _replace_commands(monkeypatch, line: str, seconds: float = 0.0) -> None:
    real = subprocess.Popen

    def popen(command, **options):
        assert command[1:4] == ["-P", "-m", "popnas.cli.terminal.detached"]
        CHILDREN.append(real([sys.executable, "-c", SLEEPER.format(line, seconds), *command[4:]], **options))
        return CHILDREN[-1]

    monkeypatch.setattr(process.subprocess, "Popen", popen)


@pytest.fixture
def started(tmp_path) -> Iterator[list[int]]:
    """Process groups that a test started; none of them outlives it."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    while CHILDREN:
        CHILDREN.pop().wait(10)


def a_queue(tmp_path: Path, num_jobs: int = 1, heard: list[Any] | None = None) -> JobQueue:
    hear = (lambda job: None) if heard is None else lambda job: heard.append((job.run, job.state))
    return JobQueue(tmp_path / "logs", tmp_path / "jobs", num_jobs, hear)


def running(jobs: JobQueue, run: str, child: Path, started: list[int]) -> int:
    jobs.tick()
    until(child.exists)
    number = jobs.of(run)[-1].number
    pid = until(lambda: JobProcess(jobs.work.parent, number).pid)
    started.append(pid)
    return pid


def test_a_job_waits_until_another_has_ended(tmp_path, obedient, started, quick_disk):
    heard: list[Any] = []
    jobs = a_queue(tmp_path, heard=heard)
    jobs.add("one", "search", [str(obedient)], None, is_new=True)
    jobs.add("two", "search", [str(obedient)], None, is_new=True)
    running(jobs, "one", obedient, started)
    assert [job.state for job in jobs.all()] == ["running", "queued"]
    jobs.stop("one")
    until(lambda: jobs.tick() or jobs.of("one")[0].state == "stopped")
    jobs.tick()
    assert [job.state for job in jobs.all()] == ["stopped", "running"]
    started.append(until(lambda: JobProcess(jobs.work.parent, 2).pid))
    assert heard[:3] == [("one", "queued"), ("two", "queued"), ("one", "running")]
    jobs.stop("two")
    until(lambda: jobs.tick() or jobs.of("two")[0].state == "stopped")


def test_another_server_finds_what_runs_and_what_waits(tmp_path, obedient, started, quick_disk):
    first = a_queue(tmp_path)
    first.add("one", "search", [str(obedient)], {"a": 1}, is_new=True)
    first.add("two", "search", [str(obedient)], None, is_new=True)
    pid = running(first, "one", obedient, started)
    second = a_queue(tmp_path)
    second.tick()
    assert [(job.run, job.state) for job in second.all()] == [("one", "running"), ("two", "queued")]
    assert json.loads((tmp_path / "jobs" / "000001.config").read_text()) == {"a": 1}
    second.stop("two")
    second.stop("one")
    child = int(obedient.read_text())
    until(lambda: second.tick() or second.of("one")[0].state == "stopped")
    until(lambda: is_gone(pid) and is_gone(child))
    assert [job.state for job in second.all()] == ["stopped", "stopped"]


def test_what_does_not_end_is_ended_with_its_whole_group(
    tmp_path, stubborn, started, monkeypatch, quick_disk
):
    monkeypatch.setattr(queue, "STOP_SECONDS", 0.5)
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", [str(stubborn)], None)
    pid = running(jobs, "one", stubborn, started)
    child = int(stubborn.read_text())
    jobs.stop("one")
    jobs.tick()
    assert jobs.of("one")[0].state == "stopping" and not is_gone(pid)
    until(lambda: jobs.tick() or jobs.of("one")[0].state == "stopped")
    until(lambda: is_gone(pid) and is_gone(child))


def stopping_what_another_started(tmp_path: Path, late: Path, started: list[int]) -> queue.JobQueue:
    """The queue of a server that was asked to stop a job of an earlier one whose process has not said yet who
    it is."""
    first = a_queue(tmp_path)
    first.add("one", "search", [str(late)], None)
    first.tick()
    started.append(CHILDREN[-1].pid)
    second = a_queue(tmp_path)
    second.stop("one")
    return second


def test_a_process_that_has_not_said_who_it_is_is_told_to_end(tmp_path, late, started, quick_disk):
    """Its server knows its child; another one tells it as soon as it can, and once."""
    second = stopping_what_another_started(tmp_path, late, started)
    assert second.of("one")[0].stop_told is None
    asked = late.with_name("child.asked")
    until(lambda: second.tick() or second.of("one")[0].stop_told)
    until(asked.exists)
    for _ in range(5):
        second.tick()
    time.sleep(0.2)
    assert asked.read_text() == "x" and second.of("one")[0].state == "stopping"
    CHILDREN[-1].kill()
    until(lambda: second.tick() or second.of("one")[0].state == "stopped")


def test_a_child_that_was_just_started_is_stopped_at_once(tmp_path, late, started, quick_disk):
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", [str(late)], None)
    jobs.tick()
    started.append(CHILDREN[-1].pid)
    assert jobs.stop("one")[0].stop_told is not None
    until(lambda: jobs.tick() or jobs.of("one")[0].state == "stopped", 5)
    assert not late.exists()


def test_half_a_minute_to_end_counts_from_when_it_was_told(tmp_path, late, started, monkeypatch, quick_disk):
    monkeypatch.setattr(queue, "STOP_SECONDS", 0.3)
    second = stopping_what_another_started(tmp_path, late, started)
    until(lambda: second.tick() or second.of("one")[0].state == "stopped")
    assert late.with_name("child.asked").read_text() == "x"


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_is_set_changes_nothing_of_half_a_minute_to_end(
    hours, tmp_path, stubborn, started, monkeypatch, quick_disk
):
    monkeypatch.setattr(queue, "STOP_SECONDS", 1.0)
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", [str(stubborn)], None)
    pid = running(jobs, "one", stubborn, started)
    jobs.stop("one")
    real = time.time
    monkeypatch.setattr(queue.time, "time", lambda: real() + 3600 * hours)
    jobs.tick()
    time.sleep(0.2)
    assert not is_gone(pid)
    until(lambda: jobs.tick() or jobs.of("one")[0].state == "stopped", 5)
    assert is_gone(pid)


def test_what_fills_the_disk_can_be_stopped(tmp_path, obedient, started, monkeypatch, quick_disk, caplog):
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise StorageError(f"cannot write {path}: no space left on device.")

    heard: list[Any] = []
    jobs = a_queue(tmp_path, heard=heard)
    jobs.add("one", "search", [str(obedient)], None)
    running(jobs, "one", obedient, started)
    monkeypatch.setattr(queue, "write_json", refuse)
    assert jobs.stop("one")[0].state == "stopping"
    until(lambda: jobs.tick() or jobs.of("one")[0].state == "stopped", 5)
    assert [state for _, state in heard] == ["queued", "running", "stopping", "stopped"]
    assert "no space left" in caplog.text
    with pytest.raises(StorageError):
        jobs.add("two", "search", [], None)


def test_a_job_that_a_crash_kept_from_beginning_is_started_by_the_next_server(
    tmp_path, obedient, started, monkeypatch, quick_disk
):
    real = process.subprocess.Popen
    first = a_queue(tmp_path)
    first.add("one", "search", [str(obedient)], None)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt  # as kill -9 between the note and the process

    monkeypatch.setattr(process.subprocess, "Popen", crash)
    with pytest.raises(KeyboardInterrupt):
        first.tick()
    assert first.of("one")[0].state == "running"
    monkeypatch.setattr(process.subprocess, "Popen", real)
    heard: list[Any] = []
    second = a_queue(tmp_path, heard=heard)
    running(second, "one", obedient, started)
    assert heard == [("one", "queued"), ("one", "running")]


def test_what_cannot_be_started_has_failed(tmp_path, monkeypatch, quick_disk):
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(process.subprocess, "Popen", refuse)
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", [], None)
    jobs.tick()
    assert jobs.of("one")[0].state == "failed"
    assert a_queue(tmp_path).of("one")[0].state == "failed"


def test_where_files_cannot_be_locked_jobs_are_known_by_number_and_start(
    tmp_path, obedient, started, monkeypatch, quick_disk
):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(process.fcntl, "flock", refuse)
    first = a_queue(tmp_path)
    first.add("one", "search", [str(obedient)], None)
    first.add("two", "search", [str(obedient)], None)
    pid = running(first, "one", obedient, started)
    second = a_queue(tmp_path)
    second.tick()
    assert [job.state for job in second.all()] == ["running", "queued"]
    second.stop("two")
    second.stop("one")
    CHILDREN[-1].wait(10)
    until(lambda: second.tick() or second.of("one")[0].state == "stopped")
    assert is_gone(pid)


def test_who_can_open_no_file_takes_no_job_for_dead(tmp_path, obedient, started, monkeypatch, quick_disk):
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", [str(obedient)], None)
    running(jobs, "one", obedient, started)
    with monkeypatch.context() as patch:
        patch.setattr(process.os, "open", _full)
        jobs.tick()
    assert jobs.of("one")[0].state == "running"
    jobs.tick()
    assert jobs.of("one")[0].state == "running"


def _full(*_: object, **__: object) -> int:
    raise OSError(errno.EMFILE, "too many open files")


def test_no_number_is_given_twice(tmp_path, quick_disk):
    jobs = a_queue(tmp_path)
    for number in (1, 2):
        assert jobs.add("one", "search", [], None).number == number
        jobs.stop("one")
        jobs.forget("one")
        assert jobs.all() == []
    again = a_queue(tmp_path)
    assert again.add("two", "search", [], None).number == 3
    (tmp_path / "jobs" / "000003.json").write_text("{")
    assert a_queue(tmp_path).add("two", "search", [], None).number == 4


def test_jobs_are_told_while_the_disk_is_slow(tmp_path, monkeypatch, quick_disk):
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", [], None)
    is_slow = threading.Event()

    def slow(handle: int) -> None:
        is_slow.set()
        time.sleep(1.0)

    monkeypatch.setattr("popnas.storage.fsync", slow)
    adding = threading.Thread(target=jobs.add, args=("two", "search", [], None))
    adding.start()
    assert is_slow.wait(10)
    start = time.monotonic()
    assert [job.run for job in jobs.all()] == ["one"]
    assert not jobs.is_held_elsewhere("one")
    assert time.monotonic() - start < 0.3 and adding.is_alive()
    adding.join()
    assert [job.run for job in jobs.all()] == ["one", "two"]


@pytest.mark.parametrize("is_stubborn", [False, True])
def test_all_that_runs_is_stopped_and_what_waits_goes_on_waiting(
    is_stubborn, tmp_path, request, started, monkeypatch, quick_disk
):
    monkeypatch.setattr(queue, "STOP_SECONDS", 0.5 if is_stubborn else 30.0)
    place = request.getfixturevalue("stubborn" if is_stubborn else "obedient")
    jobs = a_queue(tmp_path)
    for run in ("one", "two"):
        jobs.add(run, "search", [str(place)], None)
    pid = running(jobs, "one", place, started)
    child = int(place.read_text())
    jobs.stop_all()
    assert [job.state for job in jobs.all()] == ["stopped", "queued"]
    until(lambda: is_gone(pid) and is_gone(child))


def test_a_process_of_another_start_is_not_taken_for_the_jobs(tmp_path, obedient, started, quick_disk):
    """Numbers of processes are given again."""
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", [str(obedient)], None)
    pid = running(jobs, "one", obedient, started)
    path = tmp_path / "jobs" / "000001.lock"
    path.write_text(json.dumps({"pid": pid, "start": "another"}))
    found = JobProcess(tmp_path / "jobs", 1)
    assert found.pid is None and found.is_alive()
    found.kill()
    time.sleep(0.2)
    assert not is_gone(pid)


def test_a_job_whose_process_was_killed_has_failed(tmp_path, obedient, started, quick_disk):
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", [str(obedient)], None)
    pid = running(jobs, "one", obedient, started)
    os.killpg(pid, signal.SIGKILL)
    until(lambda: jobs.tick() or jobs.of("one")[0].state == "failed")
    assert jobs.of("one")[0].exit_status is None


def test_one_stage_of_a_run_at_a_time(tmp_path, quick_disk):
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", [], None, is_new=True)
    with pytest.raises(BusyError, match="queued or runs already"):
        jobs.add("one", "search", [], None)
    with pytest.raises(BusyError, match="exists already"):
        jobs.add("one", "search", [], None, is_new=True)
    jobs.add("one", "select", [], None)  # after the search
    with pytest.raises(BusyError, match="stop it first"):
        jobs.reserve("one", lambda: None)


def test_a_run_that_somebody_else_works_on_is_waited_for(tmp_path, quick_disk):
    run = make_run(tmp_path / "logs" / "one")
    jobs = a_queue(tmp_path)
    jobs.add("one", "train", [], None)
    with run.lock():
        jobs.tick()
        assert jobs.is_held_elsewhere("one")
        assert jobs.of("one")[0].state == "queued"
        with pytest.raises(BusyError, match="this server did not start"):
            a_queue(tmp_path / "other").reserve("one", lambda: None) or jobs._check_free("one")
    assert not jobs.is_held_elsewhere("one")


def test_who_holds_a_lock_is_told_without_taking_it(tmp_path):
    (tmp_path / "restore").mkdir()
    path = tmp_path / "restore" / "lock"
    assert holder(path) is None
    with RunLock(path):
        found = holder(path)
        assert found is not None and found.pid == os.getpid()
    assert holder(path) is None
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "pid": 2**22 + 1}))
    assert holder(path) is None


def test_a_run_goes_into_the_trash_and_nothing_there_is_lost(tmp_path, quick_disk):
    names = []
    for _ in range(2):
        make_run(tmp_path / "logs" / "one")
        names.append(move_to_trash(tmp_path / "logs", tmp_path / "trash", "one"))
    assert len(set(names)) == 2 and not (tmp_path / "logs" / "one").exists()
    assert all((tmp_path / "trash" / name / "restore" / "journal.jsonl").is_file() for name in names)


def test_the_start_of_a_process_tells_it_from_another():
    assert start_of(os.getpid()) == start_of(os.getpid()) != start_of(1)
    assert start_of(2**22 + 1) is None


def test_secrets_of_the_server_are_not_handed_on(monkeypatch):
    monkeypatch.setenv("POPNAS_SERVER_TOKEN", "secret")
    monkeypatch.setenv("POPNAS_WEBHOOK_SECRET", "secret")
    assert "secret" not in process.child_environment().values()


def test_a_damaged_note_of_a_job_stops_nobody(tmp_path, quick_disk):
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", [], None)
    (tmp_path / "jobs" / "000002.json").write_text("{")
    assert [job.run for job in a_queue(tmp_path).all()] == ["one"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_searches_outlive_a_server_that_is_killed(tmp_path, tiny_config):
    """kill -9 while two searches train and one waits: they go on, and a new server shows all three."""
    config = tiny_config(
        **{"training_hyperparameters.epochs": 40, "search_strategy.max_children": 4, "dataset.samples": None}
    )
    first = ServeProcess(tmp_path / "logs", "--at-once", "2")
    try:
        for name in ("one", "two", "three"):
            first.ask("/api/runs", {"name": name, "config": config})

        def networks(server: ServeProcess) -> dict[str, int]:
            return {run["name"]: run["num_networks"] for run in server.ask("/api/runs")["runs"]}

        until(lambda: min(networks(first).get(name, 0) for name in ("one", "two")) >= 2, 240)
        before = networks(first)
        token, pids = first.token, _pids(tmp_path / "logs")
    finally:
        first.end(signal.SIGKILL)
    assert len(pids) == 2
    second = ServeProcess(tmp_path / "logs", "--at-once", "2")
    try:
        assert second.token == token
        states = {run["name"]: run["state"] for run in second.ask("/api/runs")["runs"]}
        assert states == {"one": "running", "two": "running", "three": "queued"}
        until(lambda: all(networks(second)[name] > before[name] for name in ("one", "two")), 120)
        assert _pids(tmp_path / "logs") == pids
        for name in ("three", "one", "two"):
            second.ask(f"/api/runs/{name}/stop", method="POST")
        until(lambda: {run["state"] for run in second.ask("/api/runs")["runs"]} == {"stopped"}, 90)
        assert all(is_gone(pid) for pid in pids)
        journal = tmp_path / "logs" / "one" / "restore" / "journal.jsonl"
        size = journal.stat().st_size
        time.sleep(1.0)
        assert journal.stat().st_size == size
    finally:
        second.end(signal.SIGTERM)


@pytest.mark.slow
def test_a_server_in_a_container_stops_its_searches_in_order(tmp_path, tiny_config):
    config = tiny_config(**{"training_hyperparameters.epochs": 40, "dataset.samples": None})
    server = ServeProcess(tmp_path / "logs", "--stop-runs")
    try:
        for name in ("one", "two"):
            server.ask("/api/runs", {"name": name, "config": config})
        until(lambda: server.ask("/api/runs/one")["num_networks"] >= 1, 120)
        (pid,) = _pids(tmp_path / "logs")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)
    finally:
        server.end(signal.SIGKILL)
    assert is_gone(pid)
    kept = [
        json.loads(path.read_text()) for path in sorted(tmp_path.glob("logs/.popnas-server/jobs/[0-9]*.json"))
    ]
    assert [(job["run"], job["state"]) for job in kept] == [("one", "stopped"), ("two", "queued")]
    # By itself: what is killed leaves no exit status.
    assert kept[0]["exit_status"] not in (None, -signal.SIGKILL)


def _descendants(pid: int) -> set[int]:
    """Every process that one has started, and that these have."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
    found, new = set[int](), {pid}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in found} - found
    return found - {pid}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_search_that_is_ended_by_force_leaves_no_process(tmp_path, tiny_config, started, monkeypatch):
    """Its workers lead sessions of their own, which the signal to its group does not reach."""
    monkeypatch.setattr(queue, "STOP_SECONDS", 1.0)
    executor = {"kind": "processes", "workers": 2}
    config = tiny_config(**{"training_hyperparameters.epochs": 200, "others.executor": executor})
    jobs = a_queue(tmp_path)
    jobs.add("one", "search", ["search", f"--logs={tmp_path / 'logs'}", "--name=one"], config)
    jobs.tick()
    pid = until(lambda: JobProcess(tmp_path / "jobs", 1).pid, 60)
    started.append(pid)

    def workers() -> set[int]:
        return {each for each in _descendants(pid) if b"popnas.executors._worker" in _command_of(each)}

    until(lambda: len(workers()) == 2, 120)
    time.sleep(1.0)  # they import, or train
    all_of_it = {pid, *_descendants(pid)}
    assert len(all_of_it) >= 3
    os.kill(pid, signal.SIGSTOP)  # it does not end when it is asked to
    jobs.stop("one")
    until(lambda: jobs.tick() or jobs.of("one")[0].state == "stopped", 60)
    until(lambda: all(is_gone(each) for each in all_of_it), 30)


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _pids(root: Path) -> set[int]:
    found = root.glob(".popnas-server/jobs/*.lock")
    return {json.loads(path.read_text())["pid"] for path in found}


def test_a_second_server_for_the_same_runs_is_refused(tmp_path, quick_disk):
    from popnas.server.access.sessions import Sessions
    from popnas.server.access.settings import ServerSettings
    from popnas.server.services import Services

    settings = ServerSettings(tmp_path / "logs")
    services = Services.of(settings, Sessions("x" * 20, 1))
    try:
        with pytest.raises(UserError, match="are served already, by process"):
            Services.of(settings, Sessions("x" * 20, 1))
    finally:
        services.close()
