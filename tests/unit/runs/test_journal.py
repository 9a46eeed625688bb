"""The journal survives every way in which an append can be cut short, and refuses other damage."""

import errno
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from popnas.errors import JournalError, RunFolderError, StorageError
from popnas.runs import Journal
from popnas.runs.journal import ending, scan

EVENTS = [
    ("run_started", {"version": 1, "seed": 0}, {"popnas": "0.1.0"}),
    ("proposals", {"step": 0, "cells": [{"cell": "[]", "is_exploration": False}]}, {}),
    ("evaluation", {"cell": "[]", "step": 0, "index": 0, "score": 0.1}, {"wall_seconds": 1.5, "host": "ü\n"}),
    ("step_finished", {"step": 0}, {}),
]
any_example = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write(path, events=EVENTS):
    with Journal(path) as journal:
        return [journal.append(*event) for event in events]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def test_what_is_appended_is_read(path):
    appended = write(path)
    assert Journal(path).events() == appended
    assert [event.seq for event in appended] == [1, 2, 3, 4]
    assert [(event.event, event.content, event.volatile) for event in appended] == EVENTS
    for line in path.read_text().splitlines():
        assert list(json.loads(line)) == ["seq", "event", "content", "volatile", "after", "sha256"]


def test_appends_go_on_in_a_new_process(path):
    write(path, EVENTS[:2])
    write(path, EVENTS[2:])
    assert [event.event for event in Journal(path).events()] == [event for event, _, _ in EVENTS]
    in_two = path.read_bytes()
    path.unlink()
    write(path)
    assert path.read_bytes() == in_two


def test_numbers_are_plain_exact_and_finite(path):
    content = {
        "nan": float("nan"),
        "inf": [-np.inf],
        "float32": np.float32(0.5),
        "int": np.int16(3),
        "array": np.array([[1.5]]),
        "float": 0.1 + 0.2,
        "tuple": (1, True, None),
    }
    with Journal(path) as journal:
        event = journal.append("any", content)
    assert event.content == {
        "nan": None,
        "inf": [None],
        "float32": 0.5,
        "int": 3,
        "array": [[1.5]],
        "float": 0.30000000000000004,
        "tuple": [1, True, None],
    }
    assert Journal(path).events() == [event]
    assert "NaN" not in path.read_text()


def test_what_has_no_json_form_is_refused_and_nothing_is_written(path):
    write(path)
    before = path.read_bytes()
    with Journal(path) as journal, pytest.raises(TypeError, match="object has no JSON form"):
        journal.append("any", {"value": object()})
    assert path.read_bytes() == before


@pytest.fixture
def fast_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def test_cut_at_every_byte(path, fast_disk):
    """Whole events stay, what was cut off is done again, and the next append gives a sound journal.

    An event that lacks only its newline is whole.
    """
    write(path)
    data = path.read_bytes()
    ends = [index for index, byte in enumerate(data) if byte == ord("\n")]
    for size in range(ends[0], len(data) + 1):
        path.write_bytes(data[:size])
        num_whole = sum(end <= size for end in ends)
        assert len(Journal(path).events()) == num_whole
        if num_whole < len(EVENTS):
            write(path, EVENTS[num_whole:])
            assert path.read_bytes() == data


@any_example
@given(
    tail=st.one_of(st.binary(max_size=60), st.integers(1, 5000).map(bytes)).filter(
        lambda tail: 10 not in tail
    )
)
def test_garbage_after_the_last_event_is_cut_off(path, fast_disk, tail):
    path.unlink(missing_ok=True)
    write(path)
    data = path.read_bytes()
    path.write_bytes(data + tail)
    journal = Journal(path)
    assert len(journal.events()) == 4
    assert journal.damaged_bytes() == len(tail)
    with journal:
        journal.append("step_finished", {"step": 1})
    assert path.read_bytes().startswith(data)
    assert [event.seq for event in Journal(path).events()] == [1, 2, 3, 4, 5]
    assert Journal(path).damaged_bytes() == 0


@any_example
@given(st.data())
def test_any_changed_byte_is_refused_with_its_line(path, fast_disk, data):
    path.unlink(missing_ok=True)
    write(path)
    lines = path.read_bytes().split(b"\n")
    number = data.draw(st.integers(1, 4))
    position = data.draw(st.integers(0, len(lines[number - 1]) - 1))
    garbage = data.draw(st.binary(min_size=1, max_size=3))
    line = lines[number - 1]
    lines[number - 1] = line[:position] + garbage + line[position + 1 :]
    if lines[number - 1] == line:
        return
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match=f"line {number} ") as caught:
        Journal(path).events()
    assert caught.value.number == number


def test_every_flipped_bit_is_refused_or_changes_nothing(path, fast_disk):
    """All bits of a small journal; that of the last newline may differ, for the event is whole without it."""
    write(path, EVENTS[1:])
    data = path.read_bytes()
    events = Journal(path).events()
    lines = [number for number, line in enumerate(data.splitlines(keepends=True), start=1) for _ in line]
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            try:
                found = scan(bytes(changed), path).events
            except JournalError as error:
                assert error.number == lines[position], (position, bit)
            else:
                assert position == len(data) - 1
                assert found == events


@pytest.mark.parametrize(
    ("change", "number", "why"),
    [
        (
            lambda lines: [lines[0], *lines[2:]],
            2,
            "has seq 3 where 2 was expected: lines before it are missing",
        ),
        (lambda lines: [*lines[:2], *lines[1:]], 3, "has seq 2 where 3 was expected: it stands twice"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2, "lines before it are missing"),
        (lambda lines: lines[1:], 1, "lines before it are missing"),
        (lambda lines: [*lines, lines[0]], 5, "it stands twice, or was moved here"),
    ],
)
def test_a_missing_doubled_or_moved_line_is_refused(path, change, number, why):
    write(path)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(JournalError, match=f"line {number} .*{why}"):
        Journal(path).events()


def test_a_line_of_another_journal_is_refused(path, tmp_path):
    write(path)
    other = tmp_path / "other.jsonl"
    write(other, [("run_started", {"version": 1, "seed": 1}, {}), *EVENTS[1:]])
    lines, others = (item.read_bytes().splitlines(keepends=True) for item in (path, other))
    path.write_bytes(b"".join([*lines[:2], others[2], lines[3]]))
    with pytest.raises(JournalError, match="line 3 does not follow the lines that stand before it"):
        Journal(path).events()


def unproven(path, events=EVENTS):
    """A journal as popnas 0.1.0 wrote it."""
    lines = [
        json.dumps(
            {"seq": seq, "event": event, "content": content, "volatile": volatile}, separators=(",", ":")
        )
        for seq, (event, content, volatile) in enumerate(events, start=1)
    ]
    path.write_text("".join(f"{line}\n" for line in lines))


def test_a_journal_without_proof_is_read_and_what_is_appended_proves_it(path):
    unproven(path, EVENTS[:3])
    assert [(event.event, event.content, event.volatile) for event in Journal(path).events()] == EVENTS[:3]
    write(path, [EVENTS[3], ("step_finished", {"step": 1}, {})])
    assert Journal(path).scan().num_unproven == 3
    data = path.read_text()
    path.write_text(data.replace('"score":0.1', '"score":0.2'))
    with pytest.raises(JournalError, match=r"line 4 does not follow .*one of them was changed"):
        Journal(path).events()
    lines = data.splitlines(keepends=True)
    start = lines[3].index(',"after"')
    path.write_text("".join([*lines[:3], lines[3][:start] + "}\n", lines[4]]))  # its proof is taken away
    with pytest.raises(JournalError, match="line 5 does not follow"):
        Journal(path).events()
    path.write_text("".join([*lines[:4], lines[4][: lines[4].index(',"after"')] + "}\n"]))
    with pytest.raises(JournalError, match="line 5 has no checksum"):
        Journal(path).events()


def test_how_far_it_was_written_stands_beside_it(path):
    write(path)
    assert ending.read(path).num_lines == 4
    beside = ending.path_beside(path)
    data = beside.read_bytes()
    for position in range(len(data) - 1):
        beside.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        found = ending.read(path)
        assert found is None or found.num_lines == 4
    beside.unlink()
    assert ending.read(path) is None


@pytest.mark.parametrize(
    ("line", "replacement", "message"),
    [
        (2, b"{half a line", "line 2 is not a whole event"),
        (3, b"", "line 3 is not a whole event"),
        (2, b"[1, 2]", "line 2 is not a whole event"),
        (2, b'{"seq": 2, "event": "x"}', "line 2 is not a whole event"),
        (
            2,
            b'{"seq": 2, "event": "x", "content": {"a": NaN}, "volatile": {}}',
            "line 2 is not a whole event",
        ),
        (2, b'{"seq": 2, "event": "x", "content": {}, "volatile": {}}', "line 2 has no checksum"),
    ],
)
def test_damage_in_the_middle_names_the_line_and_the_remedy(path, line, replacement, message):
    write(path)
    lines = path.read_bytes().split(b"\n")
    lines[line - 1] = replacement
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match=message) as caught:
        Journal(path).events()
    assert str(path) in str(caught.value)
    kept = "line 1" if line == 2 else "lines 1 to 2"
    assert f"keep {kept} with: popnas journal {path.parent.parent} --repair" in str(caught.value)
    before = path.read_bytes()
    with pytest.raises(JournalError), Journal(path) as journal:
        journal.append("step_finished", {"step": 9})
    assert path.read_bytes() == before


def test_a_file_that_is_no_journal_is_not_cut(path):
    path.write_text("a shopping list\nbread\n")
    with pytest.raises(JournalError, match="line 1 is not an event"), Journal(path) as journal:
        journal.append("run_started", {})
    assert path.read_text() == "a shopping list\nbread\n"


def test_another_version_of_the_format_is_refused(path):
    write(path, [("run_started", {"version": 99}, {"popnas": "12.0.0"})])
    with pytest.raises(RunFolderError, match=r"version 99 .*reads version 1.*12\.0\.0"):
        Journal(path).events()


def test_a_missing_journal_is_a_users_error(path):
    with pytest.raises(RunFolderError, match="cannot read the journal"):
        Journal(path).events()


@pytest.mark.parametrize("num_written", [0, 1, 30])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_loses_nothing_and_the_append_can_be_repeated(path, monkeypatch, num_written, code):
    write(path, EVENTS[:2])
    before = path.read_bytes()
    real_write = os.write
    written = []

    def write_little(handle, data):
        if written:
            raise OSError(code, os.strerror(code))
        written.append(real_write(handle, bytes(data[:num_written])))
        return written[-1]

    journal = Journal(path)
    with journal:
        journal.append(*EVENTS[2])
        after = path.read_bytes()
        monkeypatch.setattr(os, "write", write_little)
        with pytest.raises(StorageError, match=r"cannot write .*journal\.jsonl: .*\.$") as caught:
            journal.append(*EVENTS[3])
        assert caught.value.exit_status == 1
        assert path.read_bytes() == after
        assert before == after[: len(before)]
        monkeypatch.setattr(os, "write", real_write)
        journal.append(*EVENTS[3])
    assert [event.event for event in Journal(path).events()] == [event for event, _, _ in EVENTS]


def test_a_failed_fsync_is_an_error_and_the_line_is_taken_back(path, monkeypatch):
    write(path, EVENTS[:1])
    before = path.read_bytes()

    def refuse(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(path) as journal:
        journal.append(*EVENTS[1])
        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError, match="disk is full"):
            journal.append(*EVENTS[2])
    assert len(Journal(path).events()) == 2
    assert path.read_bytes().startswith(before)


def test_where_even_the_half_line_cannot_be_taken_back_the_next_append_cuts_it(path, monkeypatch):
    write(path, EVENTS[:2])
    real_write, real_cut = os.write, os.ftruncate

    def write_half(handle, data):
        if len(data) < 40:
            raise OSError(errno.ENOSPC, "full")
        return real_write(handle, bytes(data[: len(data) - 20]))

    def refuse(handle, size):
        raise OSError(errno.EIO, "no")

    with Journal(path) as journal:
        journal.append(*EVENTS[2])
        monkeypatch.setattr(os, "write", write_half)
        monkeypatch.setattr(os, "ftruncate", refuse)
        with pytest.raises(StorageError):
            journal.append("step_finished", {"step": 0, "filler": "x" * 50})
        assert len(Journal(path).events()) == 3  # readers pass over the half line
        assert journal.damaged_bytes() > 0
        monkeypatch.setattr(os, "write", real_write)
        monkeypatch.setattr(os, "ftruncate", real_cut)
        journal.append(*EVENTS[3])
    assert len(Journal(path).events()) == 4
    assert Journal(path).damaged_bytes() == 0


LIMITED = """
import resource, sys
from pathlib import Path
from popnas.errors import StorageError
from popnas.runs import Journal
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (2700, resource.RLIM_INFINITY))
journal = Journal(path)
try:
    while True:
        journal.append("step_finished", {"step": 1, "filler": "x" * 150})
except StorageError as error:
    print(error)
"""


def test_a_real_limit_on_the_files_size(path):
    write(path)
    answer = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "size limit" in answer.stdout
    assert path.stat().st_size <= 2700
    num_events = len(Journal(path).events())
    assert num_events >= 8
    assert Journal(path).damaged_bytes() == 0
    write(path, EVENTS[3:])
    assert len(Journal(path).events()) == num_events + 1
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
