"""Signals, and output that cannot be written: one line each, the right status, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

# A command that works until it is ended, as the long ones do; it says "ready" when it is under way.
LONG = """
import sys, time, click
from popnas.cli import main as room
from popnas.cli.terminal.ending import ENDING, kept

@click.command()
def command():
    with ENDING.going_on(lambda: kept("search", "-r", "logs/x")):
        try:
            print("ready", flush=True)
            time.sleep(30)
        finally:
            if {is_slow}:
                print("ending", flush=True)
                time.sleep(30)

room.LazyGroup.get_command = lambda *_: command
room.main(["search"], is_stage={is_stage})
"""
HINT = "What is finished is kept. Go on with: popnas search -r logs/x\n"


def start(is_slow=False, is_stage=False, **options):
    process = subprocess.Popen(
        [sys.executable, "-c", LONG.format(is_slow=is_slow, is_stage=is_stage)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)  # it is asleep, too
    return process


def popnas(*arguments, shell_end="", **options):
    command = " ".join([f'"{sys.executable}" -m popnas', *arguments, shell_end])
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, **options)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_says_how_to_go_on(name):
    number = signal.Signals[name]
    process = start()
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (128 + number, f"\nInterrupted.\n{HINT}")


def test_the_second_signal_ends_at_once():
    process = start(is_slow=True)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "ending\n"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert (process.returncode, errors) == (130, f"\nInterrupted.\n{HINT}")


def test_a_stage_leaves_the_telling_to_its_job():
    process = start(is_stage=True)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[1].strip() == ""
    assert process.returncode == 143


def test_nohup_is_respected():
    process = start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[1] == f"\nInterrupted.\n{HINT}"
    assert process.returncode == 143


@pytest.mark.parametrize(("end", "reason"), [(">&-", "it is closed"), (">/dev/full", "the disk is full")])
@pytest.mark.parametrize("command", ["--version", "list objectives", "config schema"])
def test_what_was_asked_for_and_lost_is_told_in_a_line(command, end, reason):
    done = popnas(command, shell_end=end)
    assert (done.returncode, done.stderr) == (1, f"Standard output could not be written: {reason}.\n")


@pytest.mark.parametrize("end", [">&-", ">/dev/full", ">/dev/full 2>/dev/full", "<&- >&- 2>&-"])
def test_a_summary_that_is_lost_is_no_failure(end, tmp_path):
    done = popnas("draw", "--spec", "'[(-1, identity, -1, identity)]'", shell_end=end, cwd=tmp_path)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert (tmp_path / "cell.svg").read_text().startswith("<svg ")
    assert (tmp_path / "cell.svg").read_text().endswith("</svg>\n")


def test_a_mistake_keeps_its_status_without_any_output():
    assert popnas("serch", shell_end="2>/dev/full").returncode == 2
    assert popnas("serch", shell_end=">&- 2>&-").returncode == 2


def test_a_pipe_that_would_block_is_waited_for():
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    process = subprocess.Popen([sys.executable, "-m", "popnas", "config", "schema"], stdout=theirs)
    os.close(theirs)
    time.sleep(1.0)  # it fills the pipe meanwhile
    with os.fdopen(ours, "rb") as stream:
        written = stream.read()
    assert process.wait(20) == 0
    whole = subprocess.run([sys.executable, "-m", "popnas", "config", "schema"], capture_output=True)
    assert written == whole.stdout


def test_what_an_encoding_lacks_is_escaped(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = popnas("draw", "--spec", "x", "-o", "'é\\x1b[31m.txt'", cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
