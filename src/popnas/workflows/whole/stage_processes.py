"""Each stage of a whole job as a command of popnas, in a process of its own, which ends with this one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from popnas.command_lines import as_typed
from popnas.errors import PopnasError
from popnas.executors import how_ended
from popnas.workflows.models.choices import CellChoice, NetworkChoice, StageChanges
from popnas.workflows.whole.stages import BEAT_SECONDS, Stage, Stages, hours_set

_END_SECONDS = 60.0


class ChildStages(Stages):
    """What stages tell goes to this process's standard error; with `is_quiet` they tell nothing, with
    `is_logged` JSON lines."""

    tells_time_left = True

    def __init__(self, *, is_quiet: bool = False, is_logged: bool = False) -> None:
        self._options = [*(["--json"] if is_quiet else []), *(["--log-json"] if is_logged else [])]

    def search(self, stage: Stage, hours: float | None) -> None:
        """See `Stages`."""
        self._run(stage, ["search", "-r", str(stage.run), *_set(hours_set(hours))])

    def select(self, stage: Stage, cells: CellChoice, partial: Path, changes: StageChanges) -> None:
        """See `Stages`."""
        arguments = ["select", "-p", str(stage.run), "-k", str(cells.number)]
        if cells.params is not None:
            arguments += ["--params", cells.params]
        if cells.has_references:
            arguments.append("--references")
        self._run(stage, [*arguments, *_settings(partial, changes)])

    def train(self, stage: Stage, network: NetworkChoice, partial: Path, changes: StageChanges) -> None:
        """See `Stages`."""
        given = {"--ensemble": network.ensemble, "--max-params": network.max_params}
        options = [word for name, value in given.items() if value is not None for word in (name, str(value))]
        self._run(stage, ["train", "-p", str(stage.run), *options, *_settings(partial, changes)])

    def evaluate(self, stage: Stage, model: str) -> None:
        """See `Stages`."""
        self._run(stage, ["evaluate", "-p", str(stage.run), "-f", model])

    def _run(self, stage: Stage, arguments: Sequence[str]) -> None:
        status = run_stage([*arguments, *self._options], stage)
        if status == 130:
            raise KeyboardInterrupt
        if status != 0:
            told = ", as told above" if status > 0 else ""  # what a signal ends tells nothing
            raise PopnasError(
                f"{stage.name} {how_ended(status)}{told}. What is finished is kept; "
                f"`{as_typed('e2e', '-r', stage.run)}` goes on with it."
            )


def _settings(partial: Path, changes: StageChanges) -> list[str]:
    batch_size = [] if changes.batch_size is None else ["-b", str(changes.batch_size)]
    return ["-j", str(partial), *_set(changes.sets), *batch_size]


def _set(changes: Sequence[str]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def run_stage(arguments: Sequence[str], stage: Stage) -> int:
    """Run `popnas ARGUMENTS` to its end and return its exit status. It does not tell again the warnings that
    were told, and tells how long the job still takes.

    Ctrl-C is passed on once, so that the command can finish writing; KeyboardInterrupt is raised when it has.
    Its messages and progress go to this process's standard error.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "popnas.cli.terminal.tied", sys.argv[0], *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # A session of its own: the terminal's Ctrl-C reaches only this process, which passes it on.
        start_new_session=True,
    )
    ahead = None if stage.ahead is None else stage.ahead.to_json()
    known = json.dumps({"told": list(stage.told), "ahead": ahead})
    try:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once: its exit status says so
            process.stdin.write(known.encode() + b"\n")
            process.stdin.flush()
        while True:
            try:
                return process.wait(BEAT_SECONDS)
            except subprocess.TimeoutExpired:
                stage.on_beat()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait(_END_SECONDS)
        raise
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
