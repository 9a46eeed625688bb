"""Starts commands of popnas from a process that has loaded their libraries already, which takes longer than
most searches of these tests. Each is a process of its own all the same, and can be killed like any other.

Reads a line of JSON for each command from standard input, and writes its pid and, later, its status.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from typing import Any

LIBRARIES = (
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "moocore",
    "onnx",
    "onnxruntime",
    "popnas.export.onnx_file",
    "popnas.report.figures",
    "popnas.workflows.models.selection",
    "popnas.workflows.models.training",
    "popnas.workflows.searching.search",
    "popnas.workflows.whole.end_to_end",
    "sklearn.datasets",
    "sklearn.svm",
    "tensorboardX",
    "torch._dynamo.config",  # what fake tensors load when they are used first: half of a tiny search
    "torch.onnx",
)


def tell(**line: int) -> None:
    """One write of a short line is whole, whoever else writes."""
    os.write(1, json.dumps(line).encode() + b"\n")


def start(request: dict[str, Any]) -> None:
    """Return in the command's process; this one goes on with the next request.

    Between them stands a process that waits: a status is told only to the parent.
    """
    if os.fork() != 0:
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    command = os.fork()
    if command == 0:
        become(request)
    tell(number=request["number"], pid=command)
    _, status = os.waitpid(command, 0)
    tell(number=request["number"], status=os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(request: dict[str, Any]) -> None:
    """Run the command in this process, as `python -m popnas` does, and exit."""
    for number, path in enumerate((os.devnull, request["stdout"], request["stderr"])):
        os.dup2(os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY), number)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = request["arguments"]
    if not request["draws"]:
        # Half of what a tiny search takes, wherever a test looks at something else.
        from popnas.report import writing

        writing._figures = lambda *_: iter(())
    # What survives a power failure is not tested here, and most of a command would be waiting for the disk.
    os.fsync = lambda _: None
    try:
        if request["asked"]:
            answer(request["asked"])
        else:
            run_command()
    except SystemExit as end:
        leave(int(end.code or 0))


def run_command() -> None:
    """The whole command line, which exits."""
    from popnas.cli.main import main

    main()


def answer(command_lines: Sequence[Sequence[str]]) -> None:
    """Print the status and output of each short command as JSON, and exit."""
    from popnas.cli.main import run

    answers = []
    for arguments in command_lines:
        with redirect_stdout(io.StringIO()) as output:
            answers.append([run(arguments), output.getvalue()])
    sys.stdout.write(json.dumps(answers))
    sys.exit(0)


def leave(status: int) -> None:
    """Exit as Python does, but for the libraries: to take apart object by object what they have loaded, and
    copy it for that, takes ten times as long as a short command.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def serve() -> None:
    """Start commands until standard input ends."""
    os.environ["MATPLOTLIBRC"] = os.devnull
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # or collections there copy all of it
    # Whoever waits for a command is forgotten when it ends.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while line := sys.stdin.readline():
        start(json.loads(line))


if __name__ == "__main__":
    serve()
