"""`debug.log` and `critical.log`: what happened, what to do, and nothing that is secret."""

from pathlib import Path

import pytest

from popnas.errors import CandidateFailed, RunMovedError, UserError
from popnas.evaluation import Evaluation
from popnas.events import (
    CandidateFinished,
    EpochFinished,
    JobLeft,
    ModelFinished,
    PhaseStarted,
    SecondsLeft,
    StepStarted,
    Warned,
)
from popnas.runs.stored import logs, progress
from popnas.workflows import advice

CELL = "[(-1, identity, -1, identity)]"


def candidate(**fields):
    return Evaluation(cell=CELL, step=1, index=3, is_exploration=False, seed=1, **fields)


def kept(folder, *events):
    with progress.kept(folder / "progress.json", "search", lambda event: None, advice.for_error) as tell:
        for event in events:
            tell(event)


def test_what_happened_stands_there_with_the_time_and_epochs_do_not(tmp_path):
    left = SecondsLeft(None, None)
    kept(
        tmp_path,
        PhaseStarted("loading the data"),
        StepStarted(2, 5, 1, 1, 2),
        EpochFinished("3", 1, 5),
        JobLeft(3.0),
        CandidateFinished(candidate(score=0.5, training_seconds=2.0), left),
        CandidateFinished(candidate(error="no number", error_kind="nan"), left),
        ModelFinished(Path("final_training"), "validation 0.9"),
        Warned("odd\ndata"),
    )
    lines = (tmp_path / "debug.log").read_text().splitlines()
    assert all(line[:2] == "20" and line[19] == "Z" for line in lines)
    assert [line[21:] for line in lines] == [
        "search: loading the data",
        "search: step 2, round 2: 5 networks, 1 of them done",
        f"search: network 1/3 {CELL}: score 0.5000 in 2 s",
        f"search: network 1/3 {CELL}: failed (nan): no number",
        "search: final_training: validation 0.9",
        "search: Warning: odd\\ndata",
        "search: finished",
    ]


@pytest.mark.parametrize(
    ("error", "expected", "is_traced"),
    [
        (CandidateFailed("nan", "the loss is no number"), "learning_rate", True),
        (KeyError("lost"), "popnas doctor", True),
        (UserError("no such data. Give dataset.path"), "no such data. Give dataset.path", False),
    ],
)
def test_what_ended_a_stage_stands_there_with_what_to_do(tmp_path, error, expected, is_traced):
    with (
        pytest.raises(type(error)),
        progress.kept(tmp_path / "progress.json", "search", print, advice.for_error) as tell,
    ):
        tell(StepStarted(1, 2, 0))
        raise error
    text = (tmp_path / "critical.log").read_text()
    assert "search ended" in text and expected in text
    assert ("Traceback" in text) is is_traced
    assert (tmp_path / "debug.log").read_text().endswith("search: failed\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RunMovedError("it is elsewhere")])
def test_an_interruption_is_no_failure_and_another_run_gets_no_lines(tmp_path, error):
    with pytest.raises(type(error)), progress.kept(tmp_path / "progress.json", "search", print):
        raise error
    assert not (tmp_path / "critical.log").exists()


def test_failures_follow_one_another(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_TOKEN", "abc123def")
    for _ in range(2):
        logs.failed(tmp_path / "critical.log", f"{CELL} failed: abc123def\x1b", "Traceback", "  Do this.")
    text = (tmp_path / "critical.log").read_text()
    assert text.count(f"Z {CELL} failed: ***\\x1b\nWhat to do: Do this.\nTraceback\n\n") == 2


def test_a_disk_that_refuses_the_log_harms_nothing(tmp_path):
    (tmp_path / "debug.log").mkdir()
    (tmp_path / "critical.log").mkdir()
    kept(tmp_path, Warned("odd data"))
    with pytest.raises(KeyError), progress.kept(tmp_path / "progress.json", "search", print):
        raise KeyError("lost")
