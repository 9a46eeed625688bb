"""`python -m popnas` is the command line."""

import os
import sys


def _leave_out_the_current_folder() -> None:
    """`-m` puts the current folder before Python's own modules: a file `random.py` there would be run."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib is not yet safe
    if not sys.flags.safe_path and sys.path and os.path.abspath(sys.path[0]) != here:  # noqa: PTH100
        del sys.path[0]


if __name__ == "__main__":
    _leave_out_the_current_folder()
    from popnas.cli.main import main

    main()
