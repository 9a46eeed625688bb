"""Search NAS-Bench-201 with the flag that POPNAS users know: -p FILES, by the published mapping of cells.

`popnas bench nasbench201 -h` explains the others.
"""

import sys

# Python puts this file's folder before its own modules: a file `typing.py` beside it would be run.
if not sys.flags.safe_path:
    del sys.path[0]

from popnas.cli.main import main


def arguments(given: list[str]) -> list[str]:
    """The arguments of `popnas bench nasbench201`; searches that go on with -r keep their mode."""
    is_chosen = any(argument.startswith(("--mode", "-r")) for argument in given)
    return ["bench", "nasbench201", *([] if is_chosen else ["--mode", "compatible"]), *given]


if __name__ == "__main__":
    main(arguments(sys.argv[1:]))
