"""How well times of one kind of machine are brought to those of another, by the fixed training step that
workers of a cluster take (`training.clocks.probe_seconds`).

The other kinds are this processor without some of its instructions, as older ones are: oneDNN and PyTorch
keep to AVX2, and to SSE4.1. Twelve random cells of three blocks and the probe are timed with each, one
thread, CPU time, the least of three. For each kind: how much longer the probe takes, how much longer the
networks take (median), and what is left of that once a network's time is divided by the former.

    python benchmarks/bench_machines.py
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

KINDS = {
    "all instructions": {},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
}
NUM_CELLS, NUM_BLOCKS, REPETITIONS = 12, 3, 3
OPERATORS = ("identity", "3x3 dconv", "5x5 dconv", "1x3-3x1 conv", "3x3 conv", "1x1 conv", "2x2 maxpool")


def timed() -> list[float]:
    """Seconds of the probe, then of a training of each cell."""
    import numpy as np

    from bench_training import Bench
    from popnas.cells import SearchSpace
    from popnas.placement import Placement
    from popnas.training import clocks

    bench = Bench()
    bench.spec = replace(bench.spec, filters=24)
    bench.settings = bench.settings.replace(epochs=2)
    bench.splits = [split.take(slice(0, 256)) for split in bench.splits]
    bench.placement = Placement.on("cpu", num_dims=2, filters=24)
    space = SearchSpace(OPERATORS, NUM_BLOCKS, 2)
    cells = space.decode(space.random_cells(NUM_CELLS, NUM_BLOCKS, np.random.default_rng(0)))
    rounds = [
        [clocks.probe_seconds(bench.placement), *(bench.fit(str(cell)).training_seconds for cell in cells)]
        for _ in range(REPETITIONS)
    ]
    return [min(values) for values in zip(*rounds, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--timed", action="store_true", help="print what this process times, as JSON")
    if parser.parse_args().timed:
        print(json.dumps(timed()))
        return
    found = {}
    for name, variables in KINDS.items():
        done = subprocess.run(
            [sys.executable, __file__, "--timed"],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        found[name] = json.loads(done.stdout)
    first = found["all instructions"]
    print(
        f"with all instructions: probe {1e3 * first[0]:.1f} ms, "
        f"networks {min(first[1:]):.2f} to {max(first[1:]):.2f} s"
    )
    for name, seconds in list(found.items())[1:]:
        probe, *networks = (there / here for there, here in zip(seconds, first, strict=True))
        off = [network / probe for network in networks]
        print(
            f"{name}: probe {probe:.2f} times as long, networks {statistics.median(networks):.2f} "
            f"({min(networks):.2f} to {max(networks):.2f}); brought back: {min(off):.2f} to {max(off):.2f}, "
            f"median {statistics.median(off):.2f}"
        )


if __name__ == "__main__":
    main()
