"""Start-up: `popnas --help` and `import popnas`, wall seconds, median of 7 (at most 0.5 s each).

python benchmarks/bench_startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

REPETITIONS = 7
COMMANDS = {
    "popnas --help": [sys.executable, "-m", "popnas", "--help"],
    "import popnas": [sys.executable, "-c", "import popnas"],
    "python alone": [sys.executable, "-c", "pass"],
}


def main() -> dict[str, float]:
    medians = {}
    for name, command in COMMANDS.items():
        seconds = []
        for _ in range(REPETITIONS):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
        medians[name] = statistics.median(seconds)
        print(f"{name:16s} {medians[name]:.3f} s (from {min(seconds):.3f} to {max(seconds):.3f})")
    return medians


if __name__ == "__main__":
    main()
