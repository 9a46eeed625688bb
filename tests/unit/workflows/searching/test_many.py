"""What many workers and many candidates cost the driver of a search: `benchmarks/bench_many_workers.py` and
`bench_many_candidates.py`, small."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[4] / "benchmarks"))
import bench_many_candidates
import bench_many_workers
from popnas.runs import RunFolder

pytestmark = pytest.mark.usefixtures("quick_disk")


def test_one_driver_keeps_many_workers_busy(tmp_path: Path) -> None:
    cluster = bench_many_workers.searched(200, 500, tmp_path)
    assert sorted({item.worker for item in cluster.evaluations}) == list(range(200))
    found = bench_many_workers.last_step(cluster)
    assert len(found) == len(RunFolder(tmp_path / "run").state().evaluated(2)) == 500
    busy = bench_many_workers.busy(found, 200, max(item.start for item in found))
    assert bench_many_workers.DEMANDED < busy <= 1
    assert bench_many_workers.at_best(found, 200) <= 1


def test_many_candidates_leave_nothing_in_driver_and_workers(tmp_path: Path) -> None:
    growth = bench_many_candidates.searched(
        600, 2, tmp_path, bench_many_candidates.Growth(first=200, every=100)
    )
    assert growth.num_candidates == 600
    assert len(growth.bytes) == 3
    # As much for each as 100 MiB after the first 100 of 5,000; one MiB is what it really is.
    assert max(growth.bytes.values()) < 100 * 2**20 * 400 / 4900, growth.bytes
