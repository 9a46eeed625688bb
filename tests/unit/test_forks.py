"""Forks and threads: no hang, no half-loaded state; each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PRELUDE = """
import multiprocessing, sys, threading
from multiprocessing.pool import ThreadPool
import numpy as np
import popnas
from popnas import PopnasClassifier
y = np.arange(24) % 2
x = np.random.default_rng(0).normal(size=(24, 1, 16)) + 2 * y[:, None, None]
config = {"search_space": {"blocks": 1, "lookback_depth": 1, "operators": ["3 conv"]},
          "training_hyperparameters": {"epochs": 1},
          "architecture_hyperparameters": {"filters": 4, "motifs": 1, "normal_cells_per_motif": 1}}
def classifier(**options):
    return PopnasClassifier("time_series_classification", config=config, last_stage="search", n_jobs=1,
                            random_state=0, **options)
"""


def run(tmp_path: Path, program: str) -> str:
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + program)
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_after_a_fork_torch_is_refused_at_once_and_the_rest_works(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
folder = "kept"
fitted = classifier(run_folder=folder).fit(x, y)
expected = fitted.predict_proba(x)
torch_model = popnas.load(folder, backend="torch")
torch_model.predict(x)
def refused(call):
    try: call()
    except popnas.UserError as error: return "spawn" in str(error)
    return False
def child(queue):
    calls = [lambda: classifier().fit(x, y), lambda: torch_model.predict(x), lambda: popnas.evaluate(folder),
             lambda: popnas.search(config), lambda: popnas.resume(folder), lambda: popnas.select(folder),
             lambda: popnas.train(folder), lambda: popnas.load(folder, backend="torch")]
    same = [np.allclose(model.predict_proba(x), expected, atol=1e-6)
            for model in (fitted, popnas.load(folder))]
    queue.put([refused(call) for call in calls] + same)
fork = multiprocessing.get_context("fork")
queue = fork.SimpleQueue()
process = fork.Process(target=child, args=(queue,))
process.start(); process.join(60)
if process.is_alive(): process.kill(); sys.exit("the child hangs")
print(queue.get())
np.testing.assert_array_equal(fitted.predict_proba(x), expected)
""",
    )
    assert told.strip() == str([True] * 10)


@pytest.mark.slow
def test_a_fork_before_torch_has_computed_may_use_it(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
def child(queue): queue.put(classifier().fit(x, y).score(x, y) > 0.4)
for method in ("fork", "spawn") if sys.platform == "linux" else ("spawn",):
    if __name__ == "__main__":
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        process = context.Process(target=child, args=(queue,))
        process.start(); process.join(100)
        print(queue.get())
""",
    )
    assert set(told.split()) == {"True"}


def test_first_use_in_many_threads(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
found = []
barrier = threading.Barrier(8)
def go(i):
    barrier.wait()
    try:
        if i % 2: popnas.search({"search_space": {"blocks": 1}, "dataset":
                     {"type": "image_classification", "path": "/nonexistent/x"}}, name=f"r{i}")
        else: popnas.load("/nonexistent/x")
    except Exception as error: found.append((type(error).__name__, "does not exist" in str(error)))
threads = [threading.Thread(target=go, args=(i,)) for i in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print(sorted(set(found)))
""",
    )
    assert told.strip() == "[('DataError', True), ('RunFolderError', True)]"
