"""What executors cost beside the candidates: start-up of workers, and overhead per job.

Run with `python benchmarks/bench_executors.py`. Wall-clock figures, medians; a job returns at once.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from popnas import executors
from popnas.executors import Job

NUM_JOBS = 500
NUM_STARTS = 5


def setup(payload: dict[str, Any], worker: executors.Worker) -> dict[str, Any]:
    """The workers' context."""
    if payload["imports_torch"]:
        import torch  # noqa: F401
    return payload


def evaluate(context: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    """About what an Evaluation weighs."""
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


def main() -> None:
    """Print one JSON object per executor."""
    for kind in ("inline", "processes"):
        figures = {
            "executor": kind,
            "start_ms": 1e3 * statistics.median(start_seconds(kind, False) for _ in range(NUM_STARTS)),
            "start_with_torch_ms": 1e3
            * statistics.median(start_seconds(kind, True) for _ in range(NUM_STARTS)),
            "job_ms_1_worker": 1e3 * statistics.median(job_seconds(kind, 1) for _ in range(3)),
            "job_ms_2_workers": 1e3 * statistics.median(job_seconds(kind, 2) for _ in range(3)),
        }
        print(json.dumps({name: round(v, 3) if isinstance(v, float) else v for name, v in figures.items()}))


if __name__ == "__main__":
    main()
