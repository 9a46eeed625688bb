"""Atomic writes and what they write."""

import csv
import errno
import os

import numpy as np
import pytest

from popnas import files, storage
from popnas.errors import RunFolderError, StorageError
from popnas.runs import Journal, RunFolder, write_table
from popnas.storage import remove_temporary, write_bytes


def test_a_table(tmp_path):
    path = tmp_path / "csv" / "table.csv"
    rows = [["a,b", 1, 0.1, None], [np.float64("nan"), np.int32(2), np.float32(0.5), True]]
    write_table(path, ["w", "x", "y", "z"], rows)
    assert path.read_text() == 'w,x,y,z\n"a,b",1,0.1,\n,2,0.5,True\n'


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2: the one before", "@SUM(A1)", " =1+1"])
def test_no_text_is_a_formula_of_a_spreadsheet_and_numbers_stay_numbers(tmp_path, text):
    path = tmp_path / "table.csv"
    write_table(path, [text, "number"], [[text, -1.5], ["-1", "+2e3"]])
    header, row, numbers = csv.reader(path.read_text().splitlines())
    assert header == [f"'{text}", "number"] and row == [f"'{text}", "-1.5"]
    assert numbers == ["-1", "+2e3"]


def test_a_row_of_another_length_is_our_own_mistake(tmp_path):
    with pytest.raises(AssertionError, match=r"table\.csv: 1 values for 2 columns"):
        write_table(tmp_path / "table.csv", ["a", "b"], [[1]])
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    storage.write_text(path, "old")

    def refuse(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError, match=rf"cannot write {path}: the disk is full; free some space\.$"):
        storage.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EISDIR, errno.EIO, errno.EBUSY])
def test_reading_and_writing_name_the_system_s_errors_alike(tmp_path, number):
    refusal = OSError(number, os.strerror(number))
    with pytest.raises(StorageError) as told, storage.storage_errors(tmp_path):
        raise refusal
    assert str(told.value).startswith(f"cannot write {tmp_path}: {files.reason(refusal)}; ")
    assert "Errno" not in str(told.value)


def test_a_pipe_or_a_device_is_never_replaced_by_a_file(tmp_path):
    pipe, link, folder = tmp_path / "pipe", tmp_path / "out", tmp_path / "folder"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    for path, kind in ((pipe, "pipe"), (link, "device")):
        with pytest.raises(StorageError, match=rf"it is a.*{kind}, not a file\. Give the name of a file"):
            write_bytes(path, b"new")
    assert pipe.is_fifo() and link.is_symlink() and len(list(tmp_path.iterdir())) == 2
    folder.mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        write_bytes(folder, b"new")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="permission denied"):
        storage.write_text(tmp_path / "file", "x")


def test_arrays_round_trip_and_their_digest_is_of_values_not_of_the_file(tmp_path):
    arrays = {"cells": np.arange(12, dtype=np.int16).reshape(3, 4), "score": np.array([0.5, np.nan])}
    digests = {storage.save_arrays(tmp_path / f"{i}.npz", arrays) for i in range(2)}
    assert len(digests) == 1
    loaded = storage.load_arrays(tmp_path / "0.npz", digests.pop())
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype


@pytest.mark.parametrize(
    "changed",
    [
        {"a": np.array([1, 2, 4])},
        {"b": np.array([1, 2, 3])},
        {"a": np.array([1, 2, 3], dtype=np.int32)},
        {"a": np.array([[1, 2, 3]])},
        {"a": np.array([1, 2, 3]), "b": np.array([])},
    ],
)
def test_any_change_of_arrays_changes_the_digest(changed):
    assert storage.arrays_sha256(changed) != storage.arrays_sha256({"a": np.array([1, 2, 3])})


def test_damaged_or_foreign_arrays_are_refused(tmp_path):
    path = tmp_path / "arrays.npz"
    storage.save_arrays(path, {"a": np.array([1])})
    with pytest.raises(RunFolderError, match="its digest differs"):
        storage.load_arrays(path, "0" * 64)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RunFolderError, match="cannot read"):
        storage.load_arrays(path)
    np.savez(path, a=np.array([{"a": 1}], dtype=object))
    with pytest.raises(RunFolderError, match="it is damaged"):
        storage.load_arrays(path)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS])
def test_a_precaution_that_a_place_does_not_offer_is_left_out(tmp_path, monkeypatch, code):
    """CIFS, vboxsf, FAT and some FUSE know no fsync of folders, no permissions."""

    def refuse(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(os, "fchmod", refuse)
    write_bytes(tmp_path / "new" / "file", b"whole", is_durable=True)
    assert (tmp_path / "new" / "file").read_bytes() == b"whole"
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.append("any", {})
    RunFolder.create(tmp_path / "run", {})


def test_only_own_temporary_files_are_removed(tmp_path):
    for name in (".popnas-1.tmp", ".popnas-mine", ".mine.tmp", "popnas-2.tmp"):
        (tmp_path / name).write_text("")
    remove_temporary(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".popnas-mine", ".mine.tmp", "popnas-2.tmp"}
