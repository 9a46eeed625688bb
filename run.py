"""Start a search with the flags that POPNAS users know: -j, -r, --name (`popnas search -h` explains them).

Without -j and -r it reads configs/run.json beside this file, as POPNAS does, so an edit there counts.
"""

import sys

# Python puts this file's folder before its own modules: a file `typing.py` beside it would be run.
if not sys.flags.safe_path:
    del sys.path[0]

from pathlib import Path

from popnas.cli.main import main


def arguments(given: list[str]) -> list[str]:
    """The arguments of `popnas search`."""
    default = Path(__file__).resolve().parent / "configs" / "run.json"
    is_chosen = any(argument.startswith(("-j", "-r")) for argument in given)
    return ["search", *([] if is_chosen or not default.is_file() else ["-j", str(default)]), *given]


if __name__ == "__main__":
    main(arguments(sys.argv[1:]))
