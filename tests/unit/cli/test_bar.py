"""The progress display: what one sees of it, at several widths."""

from __future__ import annotations

import io
import time

import pyte
import pytest
from rich.console import Console
from rich.text import Text

from popnas.cli.terminal import bar, model_progress
from popnas.cli.terminal.bar import Bar, Display, elapsed, flowed
from popnas.cli.terminal.output import print_table
from popnas.cli.terminal.progress import TimesLeft, _SearchBar
from popnas.evaluation import Evaluation
from popnas.events import (
    CandidateFinished,
    ConfirmationFinished,
    ConfirmationStarted,
    JobLeft,
    PhaseAdvanced,
    PhaseStarted,
    SecondsLeft,
    StepStarted,
    Told,
    TrainingsStarted,
    Warned,
)
from popnas.printable import printable
from popnas.runs.stored.job_clock import Pace

WIDTHS = [20, 40, 80, 200]


def evaluation(score, step=1):
    return Evaluation(
        cell="[(-1, identity, -1, identity)]", step=step, index=0, is_exploration=False, seed=1, score=score
    )


def drawn(bar, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, height=30)
    console.print(bar)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_terminal_and_no_part_is_lost(width):
    bar = Bar()
    listener = _SearchBar(Console(file=io.StringIO()), bar)
    listener(PhaseStarted("step 2: fitting predictors and scoring every expansion of 128 cells"))
    assert max(map(len, drawn(bar, width))) <= width
    assert "scoring every expansion of 128 cells" in " ".join(drawn(bar, width))
    listener(StepStarted(5, 128, 3))
    listener(CandidateFinished(evaluation(0.98765), SecondsLeft(48, 7300)))
    shown = drawn(bar, width)
    assert max(map(len, shown)) <= width
    words = " ".join(" ".join(shown).split())
    assert all(part in words for part in (" 4/128", "best 0.9877", "step 5, cells of 5 blocks"))
    if width > 40:
        assert "this step: 48 s left, whole search: about 2 h 02 min left" in words


def test_a_phase_counts_nothing_and_a_step_after_it_counts_anew():
    bar = Bar()
    listener = _SearchBar(Console(file=io.StringIO()), bar)
    listener(StepStarted(1, 2, 0))
    listener(CandidateFinished(evaluation(0.5), SecondsLeft(None, None)))
    listener(PhaseStarted("exporting the best model"))
    assert "/" not in "".join(drawn(bar, 80))
    listener(ConfirmationStarted(18, SecondsLeft(None, 480.0)))
    assert "whole search: about 8 min left" in " ".join(drawn(bar, 80))
    listener(ConfirmationFinished(SecondsLeft(None, 42.0)))
    words = " ".join(drawn(bar, 80))
    assert " 1/18" in words and "whole search: about 42 s left" in words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "about < 1 s left"), (20.0, "about 20 s left"), (7000.0, "about 1 h 57 min left")],
)
def test_the_time_left_of_a_phase_is_told_in_a_unit_that_fits(seconds, words):
    bar = Bar()
    listener = _SearchBar(Console(file=io.StringIO()), bar)
    listener(PhaseStarted("training 9 cells", 9))
    listener(PhaseAdvanced(3, seconds_left=seconds))
    assert words in " ".join(drawn(bar, 80))


def test_what_is_left_runs_down_while_nothing_is_told_and_says_what_ends_it():
    shown, seconds = Bar(), 100.0
    listener = _SearchBar(Console(file=io.StringIO()), shown)
    listener.left = TimesLeft(lambda: seconds)
    listener(StepStarted(2, 10, 0))
    listener(CandidateFinished(evaluation(0.5), SecondsLeft(120.0, 900.0, limit=60.0)))
    listener(JobLeft(90.0))
    words = " ".join(drawn(shown, 200))
    assert "0.5000  whole search: ends by its limit in 60 s, whole job: about 90 s left" in words
    seconds = 120.0
    assert "whole job: about 70 s left" in " ".join(drawn(shown, 200))


def test_a_training_is_said_to_take_no_longer_than_its_job(tmp_path, monkeypatch):
    shown = Bar()
    listener = model_progress._ModelBar(Console(file=io.StringIO()), shown)
    monkeypatch.setattr(Pace, "seconds_left", lambda *_: 120.0)
    monkeypatch.setattr(model_progress, "_POLL_SECONDS", 0.01)
    listener(TrainingsStarted((tmp_path,), 37, 60.0))
    listener(JobLeft(75.0))
    time.sleep(0.1)
    words = " ".join(drawn(shown, 200))
    listener(PhaseStarted("writing the deployment folder"))
    assert "ends by its limit in 60 s, whole job: about 75 s left" in words
    assert "whole job: about 75 s left" in " ".join(drawn(shown, 200))


def test_a_full_bar_is_full_and_an_empty_one_empty():
    bar = Bar()
    bar.start("x", 3)
    assert "━" not in "".join(drawn(bar, 80))
    bar.update(3)
    assert "━" in "".join(drawn(bar, 80))
    assert "┄" not in "".join(drawn(bar, 80))


def test_parts_flow():
    parts = [Text("a" * 10), Text("b" * 8), Text("c" * 30)]
    assert [line.plain for line in flowed(parts, 20)] == [f"{'a' * 10}  {'b' * 8}", "c" * 19 + "…"]


def test_clock():
    assert [elapsed(seconds) for seconds in (0, 59.9, 61, 3600, 36061)] == [
        "0:00", "0:59", "1:01", "1:00:00", "10:01:01"
    ]  # fmt: skip


def test_the_time_left_runs_down_and_starts_with_the_second_piece():
    pace = Pace(10)
    assert pace.seconds_left(0, 0.0) is None
    assert pace.seconds_left(0, 30.0) is None  # processes start
    assert pace.seconds_left(1, 32.0) is None
    assert pace.seconds_left(2, 34.0) == pytest.approx(16.0)
    assert [pace.seconds_left(2, now) for now in (35.0, 35.5, 36.0)] == pytest.approx([15.0, 14.5, 14.0])
    assert pace.seconds_left(3, 36.0) == pytest.approx(14.0)
    assert pace.seconds_left(3, 99.0) == 0.0
    assert pace.seconds_left(10, 100.0) is None


def test_a_resumed_training_is_not_taken_for_a_fast_one():
    pace = Pace(10)
    pace.seconds_left(6, 0.0)
    assert pace.seconds_left(7, 10.0) is None
    assert pace.seconds_left(8, 12.0) == pytest.approx(4.0)


@pytest.mark.parametrize("environment", [{"FORCE_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_no_bar_where_none_can_be_drawn(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert not bar.is_drawn(bar.error_console())  # the tests' standard error is no terminal


HOSTILE = "cat\x1b[31m\x07\r\n\x9b2J\u202egod\ud800 :cat: [bold]"


def test_no_name_moves_the_cursor():
    assert printable(HOSTILE) == "cat\\x1b[31m\\x07\\r\n\\x9b2J\\u202egod\\ud800 :cat: [bold]"


@pytest.mark.parametrize("width", ["20", "40", "80"])
def test_no_name_breaks_a_table(width, monkeypatch):
    import sys

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", Terminal())
    print_table(["class", "examples"], [[HOSTILE, 3], ["a" * 60, 4]])
    shown = sys.stdout.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in shown
    for line in shown.splitlines():  # a name that no line holds is not broken either
        assert len(line) <= int(width) or len(line.split()) == 1
    assert not set(shown) & set("\x07\r\x9b\u202e\ud800")
    together = "".join(shown.split())
    assert "cat\\x1b[31m\\x07\\r\\n" in together or int(width) < 80
    assert shown.count("a") >= 60


def test_what_takes_long_shows_that_it_works_and_makes_room_for_a_question(monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, height=30)
    monkeypatch.setattr(bar, "error_console", lambda: console)
    monkeypatch.setattr(bar, "_SLOW_SECONDS", 0.05)
    monkeypatch.setattr(bar, "is_drawn", lambda console: True)
    with bar.bar_if_slow("quick work"):
        pass
    assert screen.getvalue() == ""
    with bar.bar_if_slow("looking at data") as end:
        time.sleep(0.4)
        assert "looking at data" in screen.getvalue() and "starting" not in screen.getvalue()
        end()
        before = screen.getvalue()
        time.sleep(0.2)
        assert screen.getvalue() == before
    monkeypatch.setattr(bar, "is_drawn", lambda console: False)
    with bar.bar_if_slow("unseen work") as end:
        time.sleep(0.1)
        end()
    assert "unseen" not in screen.getvalue()


def long_bar():
    found = Bar()
    found.start("step 2, cells of 2 blocks", 21, 9)
    found.update(9, "best 0.9877", "this step: 48 s left, whole search: about 2 h 02 min left")
    return found


def seen(written, columns):
    """The lines of a terminal that wraps what was written when it was wider."""
    screen = pyte.Screen(columns, 30)
    screen.set_mode(pyte.modes.LNM)
    pyte.Stream(screen).feed(written)
    return [line.rstrip() for line in screen.display if line.strip()]


@pytest.mark.parametrize("narrow", [100, 60, 41, 23])
def test_a_terminal_made_narrower_keeps_no_dead_bar(narrow, monkeypatch):
    monkeypatch.delenv("XTERM_VERSION", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None, height=30)
    display = Display(long_bar(), console, auto_refresh=False)
    console.print("a message")
    with display:
        assert len(seen(console.file.getvalue(), narrow)) > 2
        console.width = narrow
        display.refresh()
        shown = seen(console.file.getvalue(), narrow)
        assert shown[0] == "a message"
        assert sum("9/21" in line for line in shown) == 1
        assert sum("step 2," in line for line in shown) == 1
        console.print("another")
        assert seen(console.file.getvalue(), narrow)[:2] == ["a message", "another"]
    assert seen(console.file.getvalue(), narrow) == ["a message", "another"]


@pytest.mark.parametrize(
    "environment", [{"TERM": "linux"}, {"TERM": "screen"}, {"XTERM_VERSION": "XTerm(390)"}]
)
def test_where_lines_are_cut_nothing_above_the_bar_is_erased(environment, monkeypatch):
    monkeypatch.delenv("TMUX", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None, height=30)
    display = Display(long_bar(), console, auto_refresh=False)
    with display:
        height = console.file.getvalue().count("\n")
        before = len(console.file.getvalue())
        console.width = 60
        display.refresh()
        assert console.file.getvalue()[before:].count("\x1b[1A") == height


@pytest.mark.parametrize("width", WIDTHS)
def test_what_the_terminal_writes_for_ctrl_c_stays_on_the_bars_line(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, height=30)
    display = Display(long_bar(), console, auto_refresh=False)
    console.print("a message")
    with display:
        console.file.write("^C")
    assert seen(console.file.getvalue(), width) == ["a message"]


def test_a_job_shows_that_it_works_between_its_stages_and_leaves_the_terminal_to_them(monkeypatch):
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None, height=30)
    monkeypatch.setattr(model_progress, "error_console", lambda: console)
    monkeypatch.setattr(model_progress, "is_drawn", lambda console: True)

    def shown():
        return seen(console.file.getvalue(), 80)

    with model_progress.job_listener(is_quiet=False) as listener:
        assert "starting" in shown()[-1]
        listener(PhaseStarted("probing operators", 12))
        listener(Warned("a class is small"))
        listener(PhaseAdvanced(12, "3x3 conv"))
        assert shown()[0] == "Warning: a class is small" and "probing operators" in shown()[1]
        assert "12/12" in shown()[1]
        listener(Told("[1/4] search"))
        before = console.file.getvalue()
        time.sleep(0.3)
        assert console.file.getvalue() == before  # the stage's own bar is there now
        assert shown() == ["Warning: a class is small", "[1/4] search"]
        listener(PhaseStarted("probing the best cell's network"))
        assert "probing the best" in " ".join(shown())
    assert shown() == ["Warning: a class is small", "[1/4] search"]


def test_a_job_that_nobody_watches_tells_its_phases_as_lines(monkeypatch):
    console = Console(file=io.StringIO(), width=80)
    monkeypatch.setattr(model_progress, "error_console", lambda: console)
    with model_progress.job_listener(is_quiet=False) as listener:
        for event in (PhaseStarted("probing operators", 2), PhaseAdvanced(1, "x"), Told("[1/4] search")):
            listener(event)
    assert console.file.getvalue() == "probing operators\n[1/4] search\n"
    with model_progress.job_listener(is_quiet=True) as listener:
        listener(Told("[1/4] search"))
    assert "search\n[1/4]" not in console.file.getvalue()
