"""Runs one command of popnas in a process of its own, which ends with this one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

_BEAT_SECONDS = 2.0
_END_SECONDS = 60.0


def run_stage(arguments: Sequence[str], on_beat: Callable[[], None], told: Sequence[str] = ()) -> int:
    """Run `popnas ARGUMENTS` to its end and return its exit status; `on_beat` is called every few seconds.
    It does not tell again the warnings that were `told`.

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
    try:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once: its exit status says so
            process.stdin.write(json.dumps(list(told)).encode() + b"\n")
            process.stdin.flush()
        while True:
            try:
                return process.wait(_BEAT_SECONDS)
            except subprocess.TimeoutExpired:
                on_beat()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait(_END_SECONDS)
        raise
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
