"""Commands of popnas in messages and on pages, as they can be typed where this process was started."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from popnas.printable import quoted

_NAME = "popnas"


def as_typed(*arguments: object) -> str:
    """The shell command `popnas ARGUMENTS`, quoted. In place of `popnas` stands the path by which popnas was
    started where that name is not found or means another one (an environment that is not activated, as after
    `make search`), or the Python that runs it."""
    return f"{_popnas()} {' '.join(map(quoted, arguments))}"


def _popnas() -> str:
    found, started = shutil.which(_NAME), Path(sys.argv[0])
    if started.name == _NAME and started.is_file():
        return _NAME if found is not None and started.samefile(found) else quoted(started)
    if found is not None:
        return _NAME
    python = sys.orig_argv[0] if shutil.which(sys.orig_argv[0]) else sys.executable
    return f"{quoted(python)} -m {_NAME}"
