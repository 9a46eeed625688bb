"""A long journal is read in pieces, and what is read is shown while more is."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import pytest

from popnas.runs import RunFolder
from popnas.runs.journal.lines import BEGIN
from popnas.runs.journal.reading import Reader
from popnas.server.services import Services
from popnas.server.watching import feeds, summaries
from popnas.server.watching.feeds import Feed

from .conftest import Served, evaluations, make_run, streamed, until


@pytest.fixture
def cold(monkeypatch, request) -> Served:
    """A server that does not read journals before somebody looks at them: who comes first is the test's."""

    async def nothing(_: Services) -> None:
        pass

    monkeypatch.setattr(Services, "_warm_up", nothing)
    server: Served = request.getfixturevalue("server")
    return server


@pytest.mark.parametrize("most", [1, 700, 5000, 10**7])
def test_pieces_of_any_size_are_the_whole(tmp_path, quick_disk, most):
    run = make_run(tmp_path / "one", 12)
    whole = Reader(run.journal_path).read()
    reader, events, sums = Reader(run.journal_path), [], []
    is_first = True
    while is_first or reader.is_behind:
        before = reader.position
        found = reader.read(most)
        assert found.start == before and (found.start == BEGIN) is is_first
        events += found.events
        sums += found.sums
        is_first = False
    assert (events, sums, reader.position, reader.end) == (
        whole.events,
        whole.sums,
        whole.position,
        whole.end,
    )
    folder = RunFolder(run.path)
    folder.state(most)
    while folder.is_behind:
        folder.state(most)
    assert folder.state() == RunFolder(run.path).state()


def test_a_half_written_line_is_waited_for_in_the_last_piece(tmp_path, quick_disk):
    run = make_run(tmp_path / "one", 4)
    data = run.journal_path.read_bytes()
    run.journal_path.write_bytes(data[:-20])
    feed = Feed(run.path)
    while feed.advance():
        pass
    assert len(feed.rows) == 3 and feed.problem is None
    run.journal_path.write_bytes(data)
    feed.refresh()
    assert len(feed.rows) == 4


def test_a_feed_grows_by_pieces_within_an_epoch(tmp_path, quick_disk, monkeypatch):
    run = make_run(tmp_path / "one", 12)
    monkeypatch.setattr(feeds, "_PIECE", 1)
    feed, seen, epochs = Feed(run.path), [], set()
    while feed.advance():
        seen.append(len(feed.rows))
        epochs.add(feed.epoch)
    assert seen == sorted(seen) and set(range(13)) <= {0, *seen} and len(epochs) == 1
    whole = Feed(run.path)
    monkeypatch.undo()
    whole.refresh()
    assert feed.rows[:20] == whole.rows[:20] and len(feed.rows) == 12 and feed.best == whole.best


def test_whoever_asks_for_the_whole_gets_it(cold, monkeypatch):
    make_run(cold.root / "one", 12)
    monkeypatch.setattr(feeds, "_PIECE", 1)
    assert cold.ask("GET", "/api/runs/one/candidates").json()["total"] == 12
    best = max(evaluations(12), key=lambda item: item.score)
    results = cold.ask("GET", "/api/runs/one/results").json()
    assert best.cell in json.dumps(results)


def test_the_list_of_runs_waits_for_no_long_journal(cold, monkeypatch):
    make_run(cold.root / "one", 12)
    monkeypatch.setattr(feeds, "_PIECE", 1)
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: next(ticks))  # a second from look to look
    monkeypatch.setattr(summaries, "time", clock)

    def listed(seconds: float) -> tuple[str, int, bool]:
        monkeypatch.setattr(summaries, "_READING_SECONDS", seconds)
        (run,) = cold.ask("GET", "/api/runs").json()["runs"]
        return run["state"], run["num_networks"], run["can_resume"]

    assert listed(-1) == ("reading", 0, False)
    found = [listed(1.5)]
    while found[-1][0] == "reading":
        found.append(listed(1.5))
    assert found[-1] == ("stopped", 12, True)
    assert len(found) > 3 and found == sorted(found, key=lambda item: item[1])
    assert listed(-1) == found[-1]  # it is known by now


def test_a_stream_shows_what_is_read_before_all_is(cold, monkeypatch):
    make_run(cold.root / "one", 12)
    monkeypatch.setattr(feeds, "_PIECE", 1)
    events, seen, sizes = streamed(cold, "/api/runs/one/events"), [], []
    states: list[str] = []
    for kind, _, said in events:
        if kind == "candidates":
            seen += [row[0] for row in said]
            sizes.append(len(said))
        if kind == "status":
            states.append(said["state"])
            if states[-1] != "reading":
                break
    assert seen == list(range(12)) and said["num_networks"] == 12
    events.close()
    assert len(sizes) > 1 and len(states) > 1


def test_damage_behind_what_was_shown_ends_it(cold, monkeypatch):
    bad = make_run(cold.root / "bad", 12)
    lines = bad.journal_path.read_bytes().splitlines(keepends=True)
    bad.journal_path.write_bytes(b"".join([*lines[:8], b"{}\n", *lines[9:]]))
    monkeypatch.setattr(feeds, "_PIECE", 1)
    events = streamed(cold, "/api/runs/bad/events")
    problem = None
    while problem is None:
        problem = until(events, "start")[1]["problem"]
    assert "line 9" in problem
    events.close()
    assert cold.ask("GET", "/api/runs/bad").json()["state"] == "damaged"
