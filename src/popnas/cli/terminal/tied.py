"""The command line of a child process that ends with its parent: `python -m popnas.cli.terminal.tied STARTED
COMMAND ...`; STARTED is what the parent was started as.

The parent holds the other end of this process's standard input. It writes one line, a JSON object of the
warnings that it has `told` already and of what the job expects (`ahead`), and nothing after that: the end of
the input is the end of the parent, however it died. So a killed job leaves nothing behind that goes on
writing.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

_KILLED = 137


def _known() -> dict[str, Any]:
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        os._exit(_KILLED)
    found: dict[str, Any] = json.loads(line)
    return found


def _watch() -> None:
    os.read(0, 1)
    os._exit(_KILLED)


if __name__ == "__main__":
    known = _known()
    threading.Thread(target=_watch, name="popnas-tie", daemon=True).start()
    from popnas.cli.main import main

    # What this process tells to type is what was typed to start the job.
    sys.argv = sys.argv[1:]
    main(sys.argv[1:], is_stage=True, **known)
