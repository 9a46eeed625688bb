"""Stages of a job: they end with it, and do not tell its warnings again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from popnas.cli.terminal import output, part_of_job
from popnas.events import JobEvent, JobLeft, Told, Warned
from popnas.runs.stored.job_clock import Ahead


@pytest.mark.parametrize(
    ("line", "status"), [(b'{"told": ["odd data"], "ahead": null}\n', 0), (b"", 137), (b'{"told', 137)]
)
def test_a_stage_begins_with_what_was_told_and_ends_with_its_job(line: bytes, status: int) -> None:
    command = [sys.executable, "-m", "popnas.cli.terminal.tied", "popnas", "--version"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line)
    process.stdin.flush()
    if status:
        process.stdin.close()
    assert process.wait(60) == status
    assert process.stdout.read().startswith(b"popnas ") == (status == 0)
    process.stdout.close()
    process.stdin.close()


def test_a_stage_tells_how_long_its_job_takes_and_another_process_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[JobEvent] = []
    assert part_of_job.clocked(heard.append) == heard.append
    monkeypatch.setattr(part_of_job, "EXPECTED", Ahead(1.0, 2.0, 3.0, 4.0, 5.0).to_json())
    part_of_job.clocked(heard.append)(Told("odd data"))
    assert heard[0] == JobLeft(15.0)  # before what loads until the first event
    assert isinstance(heard[2], JobLeft)
    assert 14.0 < heard[2].seconds <= 15.0


def test_what_a_job_has_told_its_stages_do_not_tell_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "TOLD_BY_JOB", {"odd data"})
    assert output.words_of(Warned("odd data")) is None
    assert output.words_of(Warned("odd memory")) == "Warning: odd memory"
    assert output.words_of(Told("odd data")) == "odd data"
