"""The command line of a child process that outlives its parent: `python -m popnas.cli.terminal.detached LOCK
END COMMAND ...`.

LOCK is the number of a descriptor that the parent opened and locked (flock): as long as this process lives,
the lock is held, whoever started it and whatever became of that. Its file says which process holds it. How
the command ended is written to END; a process that was killed leaves none.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def _tell_who(handle: int) -> None:
    """Write down which process this is, and keep the lock from the processes that it starts."""
    from popnas.resources import start_of
    from popnas.storage import compact_json

    os.set_inheritable(handle, False)
    said = compact_json({"pid": os.getpid(), "start": start_of(os.getpid())})
    os.ftruncate(handle, 0)
    os.pwrite(handle, said.encode(), 0)


def _tell_end(path: Path, status: int) -> None:
    from popnas.storage import write_json

    write_json(path, {"exit_status": status, "ended": time.time()}, is_durable=True)


if __name__ == "__main__":
    _tell_who(int(sys.argv[1]))
    end = Path(sys.argv[2])
    from popnas.cli.main import main

    # What this process tells to type is what was typed to start it.
    sys.argv = [sys.orig_argv[0], *sys.argv[3:]]
    status = 1
    try:
        main(sys.argv[1:])
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
        raise
    finally:
        _tell_end(end, status)
