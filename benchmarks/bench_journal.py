"""A run of 50,000 evaluations: opening its folder, and what a new event costs whoever watches it.

    python benchmarks/bench_journal.py [--evaluations N]

Seconds of CPU time and memory, in a process of its own. The journal is made of random cells of 5 blocks, with
the events and the fields that a search writes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from popnas.cells import SearchSpace
from popnas.evaluation import Evaluation
from popnas.runs import Event, RunFolder
from popnas.runs.journal import ending
from popnas.runs.journal.lines import sum_of

BLOCKS, OPERATORS = 5, ("identity", "3x3 conv", "5x5 conv", "3x3 dconv", "2x2 maxpool")
NUM_WATCHED = 200
MIB = 2**20


def evaluation(cell: str, index: int, rng: np.random.Generator) -> Evaluation:
    """As a worker measures one."""
    score, seconds = float(rng.random()), float(10 * rng.random())
    metrics = {"accuracy": score, "f1_score": 0.9 * score, "top_k_accuracy": 0.99}
    times = {"wall_seconds": seconds, "cpu_seconds": seconds, "epochs_seconds": seconds}
    return Evaluation(
        cell, BLOCKS, index, False, index, metrics, score, seconds, seconds / 100, int(rng.integers(10**6)),
        int(rng.integers(10**9)), head_metrics=[metrics],
        volatile={"device": "cpu", "worker": index % 8, "attempts": 1, **times},
    )  # fmt: skip


def cells(count: int, rng: np.random.Generator) -> list[str]:
    """So many different ones, in canonical text."""
    space, found = SearchSpace(OPERATORS, lookback_depth=2, num_blocks=BLOCKS), dict[str, None]()
    while len(found) < count:
        found |= dict.fromkeys(cell.key for cell in space.decode(space.random_cells(1000, BLOCKS, rng)))
    return list(found)[:count]


def make(path: Path, count: int) -> None:
    """A run's folder with a journal of so many evaluations, written at once instead of line by line."""
    rng = np.random.default_rng(0)
    config = {"search_space": {"blocks": BLOCKS, "operators": list(OPERATORS)}, "others": {"seed": 0}}
    folder = RunFolder.create(path, config)
    texts = cells(count, rng)
    predictions = {"score": 0.5, "time": 1.25, "params": 12345, "flops": 10**6}
    proposed = [{"cell": text, "is_exploration": False, "predictions": predictions} for text in texts]
    found = (evaluation(text, index, rng) for index, text in enumerate(texts))
    contents = [
        ("proposals", {"step": BLOCKS, "cells": proposed}, {}),
        *(("evaluation", item.content(), item.volatile) for item in found),
    ]
    position, lines = folder.journal.scan().position, []
    for content in contents:
        line = Event(position.num_lines + 1, *content).line(position.last_sum)
        position = position.behind(line[:-1], sum_of(line[:-1]))
        lines.append(line)
    with folder.journal_path.open("ab") as file:
        file.writelines(lines)
    ending.write(folder.journal_path, position.note)


def resident() -> int:
    """Bytes of this process in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024


def look(path: Path) -> None:
    """Open, and watch what another process might append."""
    before, start = resident(), time.process_time()
    folder = RunFolder.open(path)
    state = folder.state()
    seconds, held = time.process_time() - start, resident() - before
    print(f"open, with its state: {seconds:.2f} s; held: {held / MIB:.0f} MiB")
    rng, waited = np.random.default_rng(1), []
    with RunFolder(path).journal as journal:
        for _ in range(NUM_WATCHED):
            item = evaluation(state.proposals[BLOCKS][0].cell, 0, rng)
            journal.append("evaluation", item.content(), item.volatile)
            start = time.process_time()
            folder.state()
            waited.append(time.process_time() - start)
    start = time.process_time()
    assert state.best is not None
    best = time.process_time() - start
    print(
        f"a new event: {1e3 * statistics.median(waited):.2f} ms (median of {NUM_WATCHED}, at most "
        f"{1e3 * max(waited):.1f}); the best cell then: {1e3 * best:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=50_000)
    parser.add_argument("--look", type=Path)
    arguments = parser.parse_args()
    if arguments.look is not None:
        look(arguments.look)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        make(path, arguments.evaluations)
        size = (path / "restore" / "journal.jsonl").stat().st_size
        print(f"{arguments.evaluations:,} evaluations, {size / MIB:.0f} MiB", flush=True)
        subprocess.run([sys.executable, __file__, "--look", str(path)], check=True)


if __name__ == "__main__":
    main()
