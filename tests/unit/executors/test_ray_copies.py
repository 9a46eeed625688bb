"""Copies on the nodes of a cluster: there while somebody uses them, gone afterwards, whoever was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from popnas.errors import StorageError
from popnas.executors._ray import copies
from popnas.executors._ray.copies import Parcel, made, remove_stale
from popnas.training.accelerated.turns import DeviceTurns

PARCEL = Parcel("0123456789abcdef", ["deep/file", "other"], [b"something", b"else"])
HOLDER = """
import sys, time
from popnas.executors._ray.copies import Parcel, made
copy = made(Parcel("0123456789abcdef", ["deep/file"], [b"something"]), lambda content: content)
print(copy.place, flush=True)
time.sleep(60)
"""


def fetch(content: Any) -> bytes:
    assert isinstance(content, bytes)
    return content


@pytest.fixture(autouse=True)
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its temporary folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(copies, "_LEAVING_SECONDS", 0.2)
    return tmp_path


def test_actors_of_a_node_share_one_copy_and_the_last_removes_it(node: Path) -> None:
    first, second = made(PARCEL, fetch), made(PARCEL, lambda content: pytest.fail("it is there"))
    assert first.folder == second.folder and first.folder.parent.parent == node
    assert (second.folder / "deep" / "file").read_bytes() == b"something"
    first.leave()
    assert (second.folder / "other").read_bytes() == b"else"
    second.leave()
    assert list(node.iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_is_in_use_stays(node: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert holder.stdout is not None
        place = Path(holder.stdout.readline().strip())
        remove_stale()
        assert place.is_dir() and place.parent == node
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert place.is_dir()
        remove_stale()
        assert not place.exists()
    finally:
        holder.kill()
        holder.communicate()


def test_nothing_but_our_own_is_removed(node: Path) -> None:
    name = f"popnas-{os.getuid()}-data-"
    elsewhere = node / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    (node / f"{name}linked").symlink_to(elsewhere)
    (node / f"popnas-{os.getuid() + 1}-0123").mkdir()
    (node / f"{name}file").write_text("a file")
    being_made = node / f"{name}0123-making"
    being_made.mkdir()
    before = sorted(node.iterdir())
    remove_stale()
    assert sorted(node.iterdir()) == before
    os.utime(being_made, (0, 0))
    remove_stale()
    assert sorted(node.iterdir()) == [path for path in before if path != being_made]


def test_the_locks_of_devices_stay_however_old(node: Path) -> None:
    turns = DeviceTurns.on(torch.device("cpu"))
    assert turns is not None
    (folder,) = node.iterdir()
    os.utime(folder, (0, 0))
    with turns.taking_part():
        remove_stale()
        assert len(list(folder.iterdir())) == 2


def test_somebody_elses_folder_of_the_name_is_not_read(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(PARCEL, fetch)
    with monkeypatch.context() as patch:
        patch.setattr(copies, "_is_ours", lambda place: False)
        with pytest.raises(StorageError, match=r"a node cannot copy the data.*something is there"):
            made(PARCEL, fetch)
    found.lock.close()
    assert len(list(node.iterdir())) == 1


def test_a_full_disk_is_told_and_leaves_nothing(node: Path) -> None:
    def refuse(content: Any) -> bytes:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"a node cannot copy the data to .*: the disk is full"):
        made(PARCEL, refuse)
    assert list(node.iterdir()) == []
