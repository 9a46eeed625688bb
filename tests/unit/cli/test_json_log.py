"""`--log-json`: every event is a line of JSON with the documented keys, and so is all else that is told."""

import json
import logging
import sys
import warnings
from dataclasses import fields
from pathlib import Path

import pytest

from popnas.cli.main import cli, run
from popnas.cli.terminal import json_log
from popnas.cli.terminal.json_log import JSON_LOG
from popnas.cli.terminal.model_progress import job_listener, model_listener
from popnas.cli.terminal.output import echo, echo_events
from popnas.cli.terminal.progress import progress_listener
from popnas.evaluation import Evaluation
from popnas.events import (
    KINDS,
    CandidateFinished,
    ModelFinished,
    PhaseStarted,
    RunOpened,
    SecondsLeft,
    Told,
    TrainingsStarted,
    Warned,
    name_of,
)

SITE = Path(__file__).parents[3] / "docs" / "_site"
FAILED = Evaluation(
    cell="[]", step=0, index=0, is_exploration=False, seed=1, error="no number", error_kind="nan"
)
EVENTS = [
    PhaseStarted("loading"),
    RunOpened(Path("logs/a")),
    CandidateFinished(FAILED, SecondsLeft(1.0, None)),
    TrainingsStarted((Path("a"), Path("b")), 3),
    ModelFinished(Path("a"), "validation 0.9"),
    Warned("odd data"),
]


@pytest.fixture
def log():
    JSON_LOG.start("search")
    yield JSON_LOG
    JSON_LOG.stop()


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize("listener", [progress_listener, model_listener, job_listener])
def test_listeners_write_lines_and_nothing_else(log, capsys, listener):
    with listener(is_quiet=False) as tell:
        for event in EVENTS:
            tell(event)
    found = lines(capsys)
    assert [line["event"] for line in found] == [name_of(type(event)) for event in EVENTS]
    assert [line["level"] for line in found] == ["info", "info", "warning", "info", "info", "warning"]
    assert ["run" in line for line in found] == [False] + [True] * 5
    for line, event in zip(found, EVENTS, strict=True):
        own = {item.name for item in fields(event)}
        assert set(line) - {"run"} == {"time", "stage", "level", "event"} | own
    assert found[2]["evaluation"]["error_kind"] == "nan"
    assert found[3]["folders"] == ["a", "b"]


def test_what_is_told_otherwise_is_a_line_too(log, capsys):
    echo("a hint", err=True)
    echo_events(Told("a result"))
    logging.getLogger("somewhere").warning("it is %s", "slow")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old function", DeprecationWarning, stacklevel=1)
    found = lines(capsys)
    assert [(line["event"], line["level"]) for line in found] == [
        ("told", "info"),
        ("told", "info"),
        ("log_record", "warning"),
        ("log_record", "warning"),
    ]
    assert found[2]["text"] == "it is slow" and "old function" in found[3]["text"]


def test_warnings_that_the_job_told_are_not_told_again(log, capsys, monkeypatch):
    monkeypatch.setattr(json_log, "TOLD_BY_JOB", {"odd data"})
    log(Warned("odd data"))
    assert lines(capsys) == []


def test_no_secret_is_in_a_line(log, capsys, monkeypatch):
    monkeypatch.setenv("MY_PASSWORD", 'qu"ote\n1')
    log(Warned('he said qu"ote\n1 to https://me:mine@host/'))
    (line,) = lines(capsys)
    assert line["text"] == "he said *** to https://***@host/"


def test_a_command_that_fails_says_so_in_a_line_and_the_next_one_as_ever(capsys, tmp_path):
    assert run(["select", "-p", str(tmp_path / "none"), "--log-json"]) == 2
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["stage"]) == ("ended", "error", "select")
    assert "does not exist" in line["text"]
    assert run(["select", "-p", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.parametrize("name", ["search", "select", "train", "evaluate", "e2e", "archives"])
def test_every_stage_has_the_option(name):
    assert "--log-json" in [option.opts[0] for option in cli.get_command(None, name).params]


def test_the_page_lists_every_event_with_its_keys(monkeypatch):
    monkeypatch.syspath_prepend(str(SITE))
    monkeypatch.delitem(sys.modules, "events", raising=False)
    import events

    table = events.markdown()
    for kind in KINDS:
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{name_of(kind)}` ")]
        assert all(f"`{item.name}`" in row for item in fields(kind))
