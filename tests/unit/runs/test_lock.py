"""One process per run."""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from popnas.errors import RunFolderError, StorageError
from popnas.runs.lock import RunLock

HOLDER = """
import sys, time
from pathlib import Path
from popnas.runs.lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "run" / "restore").mkdir(parents=True)
    return tmp_path / "run" / "restore" / "lock"


def test_a_second_process_is_told_who_holds_the_run_and_a_kill_frees_it(path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunFolderError) as caught:
            RunLock(path).acquire()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    message = str(caught.value)
    assert f"process {holder.pid} on {socket.gethostname()}" in message
    assert str(path.parent.parent) in message
    with RunLock(path) as lock:
        assert lock.is_held


def test_released_and_taken_again(path):
    for _ in range(2):
        with RunLock(path) as lock:
            assert lock.is_held
            with pytest.raises(RunFolderError, match="in use by process"):
                RunLock(path).acquire()
        assert not lock.is_held


def test_children_do_not_keep_it(path):
    with RunLock(path):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    try:
        # The kernel lets the parent go on an instant before the child's descriptors are closed.
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with contextlib.suppress(RunFolderError), RunLock(path) as lock:
                assert lock.is_held
                break
        assert time.monotonic() < deadline
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_a_lock_file_that_cannot_be_written_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="cannot write"):
        RunLock(tmp_path / "no" / "folder" / "lock").acquire()


def test_a_holder_that_left_no_name(path):
    with RunLock(path) as lock:
        path.write_bytes(b"")
        with pytest.raises(RunFolderError, match="in use by another process"):
            RunLock(path).acquire()
        assert lock.is_held


def test_where_files_cannot_be_locked_a_warning_says_so(path, monkeypatch, caplog):
    def refuse(handle, how):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with RunLock(path) as lock:
        assert lock.is_held
    assert "cannot lock files" in caplog.text
    assert "nothing keeps a second process out" in caplog.text


def test_a_lock_that_is_a_link_never_empties_what_it_leads_to(tmp_path):
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / "lock").symlink_to(other)
    with pytest.raises(RunFolderError, match="is a link"), RunLock(tmp_path / "lock"):
        pass
    assert other.read_text() == "precious"
    (tmp_path / "lock").unlink()
    with RunLock(tmp_path / "lock"):
        pass
