"""Data that all workers map against data that each loads: time until candidates train, memory in all.

    python benchmarks/bench_shared_data.py [--images N] [--workers 1 2 4] [--augmented] [--only-shared]

JPEG files of 96x96 in class folders, which `dataset.resize` brings to 128x128: 10,900 of them are 0.5 GiB,
43,700 are 2 GiB (of which 4 workers may take 1.3 times as much, driver included).
A tiny network trains one epoch in every worker. Seconds are those until the first and the last worker train,
by the clock, and of CPU time of all processes until the first does. Memory is that of driver and workers
together (proportional set sizes, Linux) at its highest while they train, above that of as many steps with 400
images; in times of the images' own bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from popnas import evaluators, executors
from popnas.cells import Cell
from popnas.evaluation import CandidateJob
from popnas.events import nobody
from popnas.executors import Job, Work
from popnas.workflows.settings import load_config

SIZE, FILE_SIZE, NUM_CLASSES, FEW = 128, 96, 10, 400
CELL = "[(-1, identity, -1, identity)]"
MIB = 2**20


def make(folder: Path, count: int) -> None:
    """Images of one colour gradient each, which JPEG keeps small."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, FILE_SIZE)[:, None, None]
    for number in range(count):
        place = folder / "train" / f"class_{number % NUM_CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        image = ramp * rng.integers(0, 256, 3) + (1 - ramp) * rng.integers(0, 256, (FILE_SIZE, 3))
        Image.fromarray(image.astype(np.uint8)).save(place / f"{number}.jpg")


def config_of(
    folder: Path, num_workers: int, num_images: int, samples: int | None, *, is_augmented: bool
) -> dict[str, Any]:
    return {
        "search_space": {"blocks": 1, "operators": ["identity"]},
        # As many steps whatever the samples: so all workers train at once.
        "training_hyperparameters": {"epochs": 1 if samples is None else num_images // samples},
        "architecture_hyperparameters": {"filters": 2, "motifs": 1, "normal_cells_per_motif": 1},
        "dataset": {
            "type": "image_classification",
            "path": str(folder),
            "resize": {"width": SIZE, "height": SIZE},
            "batch_size": 128,
            "validation_size": 0.1,
            "samples": samples,
            "data_augmentation": {"enabled": is_augmented},
        },
        "others": {"executor": {"kind": "processes", "workers": num_workers}, "train_strategy": "CPU"},
    }


def processes() -> Iterator[Path]:
    """This process and its workers, by their places in /proc."""
    own = Path("/proc/self").resolve()
    yield own
    for task in (own / "task").iterdir():
        yield from (Path("/proc", child) for child in (task / "children").read_text().split())


def memory(process: Path) -> int:
    """Bytes of a process; what several share is divided among them."""
    lines = (process / "smaps_rollup").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])


def cpu_seconds(process: Path) -> float:
    """Of user and system."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch(threading.Thread):
    """The highest memory of this process and its children."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.highest, self.is_over = 0, threading.Event()

    def run(self) -> None:
        while not self.is_over.wait(0.2):
            with suppress(OSError):  # a process has just ended
                self.highest = max(self.highest, sum(map(memory, processes())))


def measure(config: dict[str, Any], *, is_shared: bool) -> dict[str, float]:
    """Seconds until the first and the last worker train, and the highest memory from the first one on."""
    start = time.perf_counter()
    evaluator = evaluators.create(load_config(config))
    evaluator.check()
    watch, begun, spent = Watch(), list[float](), list[float]()

    def begin(_: str) -> None:
        begun.append(time.perf_counter() - start)
        if len(begun) == 1:
            spent.append(sum(map(cpu_seconds, processes())))
            watch.start()

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        shared = stack.enter_context(evaluator.sharing(Path(folder), nobody)) if is_shared else None
        work = Work(evaluator.setup, evaluator.evaluate, evaluator.payload(None, None), shared)
        count, text = evaluator.num_workers(nobody), Cell.parse(CELL).key
        jobs = [Job(str(index), CandidateJob(text, 1, index, index).to_json()) for index in range(count)]
        executor = stack.enter_context(executors.create("processes", work, num_workers=count))
        executor.prestart()
        for result in executor.run(jobs, begin):
            assert result.error is None, result.error
        watch.is_over.set()
        watch.join()
    return {"first": begun[0], "last": begun[-1], "cpu": spent[0], "highest": float(watch.highest)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_900)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--augmented", action="store_true")
    parser.add_argument("--only-shared", action="store_true", help="without the data that each loads")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(**json.loads(arguments.measure))))
        return
    size = arguments.images * SIZE * SIZE * 3
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), arguments.images)
        print(f"{arguments.images:,} images, {size / MIB:.0f} MiB as they are trained on")
        for count in arguments.workers:
            for is_shared in (True,) if arguments.only_shared else (False, True):
                found = []
                for samples in (None, FEW):
                    config = config_of(
                        Path(folder), count, arguments.images, samples, is_augmented=arguments.augmented
                    )
                    command = [sys.executable, __file__, "--measure"]
                    task = json.dumps({"config": config, "is_shared": is_shared})
                    answer = subprocess.run([*command, task], check=True, stdout=subprocess.PIPE, text=True)
                    found.append(json.loads(answer.stdout))
                whole, few = found
                extra = (whole["highest"] - few["highest"]) / size
                print(
                    f"{count} workers, {'one copy' if is_shared else 'each loads'}: the first trains after "
                    f"{whole['first']:.1f} s ({whole['cpu']:.1f} of CPU time), the last after "
                    f"{whole['last']:.1f}; memory {extra:.2f} times the data, "
                    f"{whole['highest'] / MIB:,.0f} MiB with all that is not data",
                    flush=True,
                )


if __name__ == "__main__":
    main()
