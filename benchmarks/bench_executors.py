"""What executors cost beside the candidates: start-up of workers, and overhead per job.

    python benchmarks/bench_executors.py [KIND ...] [--candidates 200] [--seconds 1] [--workers 2]

Wall-clock figures. Starts and jobs that return at once: medians. `overhead`: candidates that sleep, so that
all that is beside them shows: wall seconds, from the workers' start to the last result, by those that as many
workers need at least, less 1; at most 3 % are demanded of 200 candidates of a second, 10 % of Ray. CPU
seconds of the driver's process per candidate beside. `ray` is left out where it is not installed; it begins a
cluster of this machine alone, which is in its overhead.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
import subprocess
import sys
import time
from typing import Any

from popnas import executors
from popnas.executors import Job

KINDS = ("inline", "processes", "ray")
MOST_OVERHEAD = {"inline": 0.03, "processes": 0.03, "ray": 0.10}
NUM_JOBS = 500
NUM_STARTS = 5


def setup(payload: dict[str, Any], worker: executors.Worker) -> dict[str, Any]:
    """The workers' context."""
    if payload["imports_torch"]:
        import torch  # noqa: F401
    return payload


def evaluate(context: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    """About what an Evaluation weighs, after so many seconds."""
    time.sleep(payload.get("seconds", 0.0))
    return {"content": payload, "metrics": {"accuracy": 0.5}, "epochs_seconds": [0.5] * 20}


def start_seconds(kind: str, imports_torch: bool) -> float:
    """From nothing to the first result, with one worker."""
    started = time.perf_counter()
    with create(kind, imports_torch, 1) as executor:
        list(executor.run([Job("0")]))
        return time.perf_counter() - started


def job_seconds(kind: str, num_workers: int) -> float:
    """Per job, once the workers are there."""
    with create(kind, False, num_workers) as executor:
        list(executor.run([Job(str(number)) for number in range(2 * num_workers)]))
        payload = {"cell": "[(-1, 3x3 conv, -1, 3x3 conv)]", "step": 1}
        started = time.perf_counter()
        results = list(executor.run([Job(str(number), payload) for number in range(NUM_JOBS)]))
        assert len(results) == NUM_JOBS
        return (time.perf_counter() - started) / NUM_JOBS


def create(kind: str, imports_torch: bool, num_workers: int) -> executors.Executor:
    payload = {"imports_torch": imports_torch}
    work = executors.Work("bench_executors:setup", "bench_executors:evaluate", payload)
    return executors.create(kind, work, num_workers=num_workers)


def overhead(kind: str, num_candidates: int, seconds: float, num_workers: int) -> dict[str, float]:
    """Of a whole step of candidates, workers' start included."""
    payload = {"cell": "[(-1, 3x3 conv, -1, 3x3 conv)]", "step": 1, "seconds": seconds}
    jobs = [Job(str(number), payload) for number in range(num_candidates)]
    began, spent = time.perf_counter(), time.process_time()
    with create(kind, False, num_workers) as executor:
        first = None
        for result in executor.run(jobs):
            assert result.error is None, result.error
            first = time.perf_counter() - began if first is None else first
        wall, cpu = time.perf_counter() - began, time.process_time() - spent
        least = math.ceil(num_candidates / executor.num_workers) * seconds
        assert first is not None
        return {
            "workers": executor.num_workers,
            "wall_s": wall,
            "overhead": wall / least - 1,
            "of it start": (first - seconds) / least,
            "at most": MOST_OVERHEAD[kind],
            "driver_cpu_ms": 1e3 * cpu / num_candidates,
        }


def starts_and_jobs(kind: str) -> dict[str, float]:
    """Medians in milliseconds."""
    if kind == "ray":  # its cluster, which lives as long as this process, is begun by the first
        start_seconds(kind, False)
    starts = {
        name: statistics.median(start_seconds(kind, imports_torch) for _ in range(NUM_STARTS))
        for name, imports_torch in {"start_ms": False, "start_with_torch_ms": True}.items()
    }
    jobs = {
        f"job_ms_{count}_workers": statistics.median(job_seconds(kind, count) for _ in range(3))
        for count in (1, 2)
    }
    return {name: 1e3 * seconds for name, seconds in {**starts, **jobs}.items()}


def measure(kind: str, arguments: argparse.Namespace) -> None:
    """Print one JSON object per measurement; in a process of its own, as Ray stays connected."""
    sized = (arguments.candidates, arguments.seconds, arguments.workers)
    for what, found in (
        ("overhead", overhead(kind, *sized)),
        ("starts and jobs", starts_and_jobs(kind)),
    ):
        print(json.dumps({"executor": kind, "what": what} | {k: round(v, 4) for k, v in found.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; all")
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - set(KINDS):
        parser.error(f"no executor {', '.join(unknown)}; there are: {', '.join(KINDS)}")
    if arguments.here:
        measure(arguments.kinds[0], arguments)
        return
    for kind in arguments.kinds or KINDS:
        if kind == "ray" and importlib.util.find_spec("ray") is None:
            print("ray is left out: it is not installed")
            continue
        sized = [f"--{name}={getattr(arguments, name)}" for name in ("candidates", "seconds", "workers")]
        subprocess.run([sys.executable, __file__, kind, "--here", *sized], check=True)


if __name__ == "__main__":
    main()
