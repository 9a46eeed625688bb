"""Each stage of a whole job as a command of popnas, in a process of its own, which ends with this one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from popnas.command_lines import as_typed
from popnas.errors import PopnasError
from popnas.executors import how_ended
from popnas.workflows.models.choices import CellChoice, NetworkChoice, StageChanges
from popnas.workflows.whole.stages import BEAT_SECONDS, Stage, Stages

_END_SECONDS = 60.0
_LAST_SECONDS = 2.0
"""How long a stage has to leave the screen as it found it, where this process is to end at once."""

BeforeExit = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""Gives a block during which what it gets is called if this process is to end at once."""


class ChildStages(Stages):
    """What stages tell goes to this process's standard error; with `is_quiet` they tell nothing, with
    `is_logged` JSON lines. `before_exit`: has a stage end before this process does, which may be made to end
    at once."""

    are_here = False
    tells_time_left = True

    def __init__(
        self,
        *,
        is_quiet: bool = False,
        is_logged: bool = False,
        before_exit: BeforeExit = lambda _: nullcontext(),
    ) -> None:
        self._options = [*(["--json"] if is_quiet else []), *(["--log-json"] if is_logged else [])]
        self._before_exit = before_exit

    def search(self, stage: Stage, sets: Sequence[str]) -> None:
        """See `Stages`."""
        self._run(stage, ["search", "-r", str(stage.run), *_set(sets)])

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
        status = run_stage([*arguments, *self._options], stage, self._before_exit)
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


def run_stage(
    arguments: Sequence[str], stage: Stage, before_exit: BeforeExit = lambda _: nullcontext()
) -> int:
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
        with before_exit(lambda: _end_at_once(process)):
            return _waited_for(process, stage)
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _waited_for(process: subprocess.Popen[bytes], stage: Stage) -> int:
    try:
        while True:
            try:
                return process.wait(BEAT_SECONDS)
            except subprocess.TimeoutExpired:
                stage.on_beat()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):  # then it is killed
            process.wait(_END_SECONDS)
        raise


def _end_at_once(process: subprocess.Popen[bytes]) -> None:
    """Its second signal ends it as well, without what it has drawn; one that comes before the first was heard
    is none."""
    deadline = time.monotonic() + _LAST_SECONDS
    while time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            return
    process.kill()
    process.wait()
