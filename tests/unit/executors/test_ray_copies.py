"""Copies on the nodes of a cluster: there while somebody uses them, gone afterwards, whoever was killed."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from popnas.errors import StorageError
from popnas.executors._ray import copies
from popnas.executors._ray.copies import Parcel, made, remove_stale
from popnas.training.accelerated.turns import DeviceTurns

PARCEL = Parcel("0123456789abcdef", ["deep/file", "other"], [b"something", b"else"])
HOLDER = """
import sys, time
import numpy as np
from popnas.executors._ray.copies import Parcel, made

def fetch(content):
    print("fetching", flush=True)
    time.sleep(0.3)
    return np.frombuffer(content, np.uint8)

copy = made(Parcel("0123456789abcdef", ["deep/file"], [b"something"]), fetch)
print(copy.place, flush=True)
sys.stdin.read()
copy.leave()
"""


def fetch(content: Any) -> np.ndarray:
    assert isinstance(content, bytes)
    return np.frombuffer(content, np.uint8)


def holder() -> subprocess.Popen[str]:
    """An actor's process: it has a copy until its standard input ends."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", HOLDER], stdin=pipe, stdout=pipe, text=True)


def copies_in(node: Path) -> list[Path]:
    return [path for path in node.iterdir() if path.is_dir() and not path.name.endswith("-locks")]


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
    assert copies_in(node) == []


def test_of_actors_that_begin_together_one_makes_the_copy(node: Path) -> None:
    """Each would hold all data in memory and write them once, of a node with many GPUs many times."""
    actors = [holder() for _ in range(4)]
    try:
        told: list[str] = []
        for actor in actors:
            assert actor.stdout is not None
            while (line := actor.stdout.readline().strip()) == "fetching":
                told.append(line)
            assert (Path(line) / "files" / "deep" / "file").read_bytes() == b"something"
        assert told == ["fetching"] and len(copies_in(node)) == 1
        for actor in actors:
            actor.communicate("")
        assert copies_in(node) == []
    finally:
        for actor in actors:
            actor.kill()
            actor.communicate()


def test_nodes_where_files_cannot_be_locked_have_a_copy_all_the_same(
    node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node / f"popnas-{os.getuid()}-locks" / "copying").mkdir(parents=True)
    copy = made(PARCEL, fetch)
    assert (copy.folder / "other").read_bytes() == b"else"
    copy.leave()


def test_a_file_is_put_as_it_lies_on_the_disk(node: Path) -> None:
    for content in (b"", b"something"):
        (node / "file").write_bytes(content)
        mapped = copies._mapped(node / "file")
        assert type(mapped) is np.ndarray, "Ray copies what is derived from it"
        assert mapped.dtype == np.uint8 and bytes(mapped.data) == content
        buffers: list[pickle.PickleBuffer] = []
        pickle.dumps(mapped, protocol=5, buffer_callback=buffers.append)
        assert sum(len(buffer.raw()) for buffer in buffers) == len(content)


def test_what_a_killed_process_left_goes_and_what_is_in_use_stays(node: Path) -> None:
    actor = holder()
    try:
        assert actor.stdout is not None
        assert actor.stdout.readline().strip() == "fetching"
        place = Path(actor.stdout.readline().strip())
        remove_stale()
        assert place.is_dir() and place.parent == node
        actor.send_signal(signal.SIGKILL)
        actor.wait()
        assert place.is_dir()
        remove_stale()
        assert not place.exists()
    finally:
        actor.kill()
        actor.communicate()


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
    before = sorted(folder.iterdir())
    os.utime(folder, (0, 0))
    with turns.taking_part():
        remove_stale()
        assert sorted(folder.iterdir()) == before != []


def test_somebody_elses_folder_of_the_name_is_not_read(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(PARCEL, fetch)
    with monkeypatch.context() as patch:
        patch.setattr(copies, "_is_ours", lambda place: False)
        with pytest.raises(StorageError, match=r"a node cannot copy the data.*something is there"):
            made(PARCEL, fetch)
    found.lock.close()
    assert len(copies_in(node)) == 1


def test_a_full_disk_is_told_and_leaves_nothing(node: Path) -> None:
    def refuse(content: Any) -> bytes:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"a node cannot copy the data to .*: the disk is full"):
        made(PARCEL, refuse)
    assert copies_in(node) == []
