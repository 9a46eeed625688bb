"""A journal is read once, and then from where it was read: what comes later costs its own lines alone."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from popnas.errors import JournalError
from popnas.runs import Journal, RunFolder, repair, replay
from popnas.runs.journal import Reader, lines

any_example = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def path(tmp_path, triples):
    """A journal of a whole search."""
    with Journal(tmp_path / "restore" / "journal.jsonl") as journal:
        journal.path.parent.mkdir()
        for triple in triples:
            journal.append(*triple)
    return journal.path


@pytest.fixture
def taken(monkeypatch):
    """The numbers of the lines that are read and proven, in order."""
    numbers, take = [], lines._taken

    def taken(line, before, path):
        found = take(line, before, path)
        numbers.append(found[0].seq)
        return found

    monkeypatch.setattr(lines, "_taken", taken)
    return numbers


@any_example
@given(data=st.data())
def test_a_watched_journal_is_read_line_by_line_wherever_writes_are_cut(path, data):
    whole, events = path.read_bytes(), Journal(path).events()
    cuts = data.draw(st.lists(st.integers(1, len(whole)), unique=True).map(sorted))
    watched = path.with_name("watched.jsonl")
    watched.write_bytes(b"")
    reader, found = Reader(watched), []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        with watched.open("ab") as file:
            file.write(whole[start:end])
        found += reader.read().ended
        assert len(found) == whole[:end].count(b"\n")  # a line that is half written is waited for
    assert found == events
    assert reader.position == Journal(path).scan().position


def test_what_was_read_is_not_read_again(path, taken):
    reader = Reader(path)
    first = reader.read()
    assert taken == list(range(1, first.num_lines + 1))
    taken.clear()
    assert reader.read().events == []
    with Journal(path) as journal:
        appended = journal.append("run_resumed", {}, {"host": "b"})
    taken.clear()
    found = reader.read()
    assert found.events == [appended]
    assert taken == [first.num_lines + 1]
    assert found.start == first.position


def test_a_line_that_does_not_follow_what_was_read_is_refused(path):
    reader = Reader(path)
    number = reader.read().num_lines + 1
    event = lines.Event(number, "run_resumed", {}, {})
    with path.open("ab") as file:
        file.write(event.line("0" * 32))
    with pytest.raises(JournalError, match=f"line {number} does not follow"):
        reader.read()


def test_another_journal_in_its_place_is_read_from_its_beginning(path, tmp_path, triples):
    reader = Reader(path)
    before = reader.read()
    other = Journal(tmp_path / "other.jsonl")
    with other:
        for event, content, volatile in triples:
            other.append(event, content, {**volatile, "host": "elsewhere, under a longer name"})
    other.path.replace(path)
    after = reader.read()
    assert after.start.num_lines == 0
    assert len(after.events) == len(before.events)
    assert after.first_sum != before.first_sum


def test_lines_without_checksums_are_read_anew_since_nothing_proves_them(path, taken):
    plain = []
    for line in path.read_text().splitlines():
        fields = json.loads(line)
        plain.append({key: fields[key] for key in ("seq", "event", "content", "volatile")})
    path.write_text("".join(json.dumps(fields) + "\n" for fields in plain))
    reader = Reader(path)
    assert len(reader.read().events) == len(plain)
    with Journal(path) as journal:
        journal.append("run_resumed", {}, {"host": "b"})
    assert reader.read().start.num_lines == 0
    taken.clear()
    with Journal(path) as journal:
        journal.append("run_resumed", {}, {"host": "c"})
    taken.clear()
    reader.read()
    assert taken == [len(plain) + 2]  # the first line with a checksum has proven those before it


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path, triples):
        made = RunFolder.create(tmp_path / "run", {"others": {"seed": 7}})
        with made.journal as journal:
            for triple in triples[1:-1]:
                journal.append(*triple)
        return made

    def test_opening_looking_and_going_on_read_every_line_once(self, folder, taken):
        opened = RunFolder.open(folder.path)
        opened.config_json()
        state = opened.state()
        number = max(taken)
        with opened.journal as journal:
            event = journal.append("run_resumed", {}, {"host": "b"})
        state.apply(event)
        assert taken == list(range(1, number + 1))

    def test_a_watched_state_is_that_of_the_whole_journal(self, folder, triples):
        watched = RunFolder.open(folder.path)
        state = watched.state()
        assert state == replay(folder.journal.events())
        assert len(state.sessions) == 1
        with folder.journal as journal:
            journal.append("run_resumed", {}, {"host": "b", "dataset_path": "/elsewhere"})
            journal.append(*triples[-1])
        assert watched.state() is state
        assert state == replay(folder.journal.events())
        assert [session.volatile.get("host") for session in state.sessions] == [None, "b"]

    def test_a_journal_that_was_cut_is_seen_as_it_is(self, folder):
        watched = RunFolder.open(folder.path)
        number = len(watched.state().evaluations)
        data = folder.journal_path.read_bytes().splitlines(keepends=True)
        last = max(index for index, line in enumerate(data) if b'"event":"evaluation"' in line)
        copy = folder.journal_path.with_name("damaged")
        copy.write_bytes(b"".join([*data[:last], b"nothing\n", *data[last + 1 :]]))
        shutil.move(copy, folder.journal_path)
        repair(folder.path)
        assert len(watched.state().evaluations) == number - 1
