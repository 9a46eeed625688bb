"""Ray: a search there is the search that it is here, and a lost node costs what ran on it.

Each test is a process of its own: Ray stays connected for as long as a process lives.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from popnas import executors
from popnas.errors import UserError
from popnas.executors import Work

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
EVALUATORS = Path(__file__).parent

CLUSTER = """
import sys; sys.path.insert(0, sys.argv[1])
import json, os, time
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
from popnas import executors
from popnas.executors import Job, Work
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
others = [cluster.add_node(num_cpus=1) for _ in range(2)]
os.environ["RAY_ADDRESS"] = cluster.address
"""
NODE_LOST = """
workers = executors.REGISTRY.get("ray").workers_for(None, 1, ["cpu"])
found = []
work = Work("evaluators:setup", "evaluators:evaluate")
with executors.create("ray", work, num_workers=None) as executor:
    for result in executor.run([Job(str(i), {"x": i, "seconds": 1.0}) for i in range(12)]):
        found.append((result.id, result.error_kind, result.attempts))
        if len(found) == 4:
            cluster.remove_node(others[0], allow_graceful=False)
print("RESULT", json.dumps({"workers": workers, "found": found}))
"""
FOLDER = """
place = sys.argv[2]
work = Work("evaluators:setup", "evaluators:evaluate", {}, place)
with executors.create("ray", work, num_workers=3) as executor:
    jobs = [Job(str(i), {"do": "read_the_folder", "seconds": 0.5}) for i in range(6)]
    found = [result.value or result.error for result in executor.run(jobs)]
print("RESULT", json.dumps(found))
"""
SEARCH = """
import json, sys
from popnas.workflows.searching.search import search
config = json.loads(sys.argv[1])
search(config, name=sys.argv[2], logs=sys.argv[3])
"""


def run(program: str, *arguments: object) -> str:
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def result(told: str) -> Any:
    """What the program found; Ray tells of the nodes that it lost in between."""
    (line,) = [line for line in told.splitlines() if line.startswith("RESULT ")]
    return json.loads(line.removeprefix("RESULT "))


def test_a_lost_node_costs_the_jobs_that_ran_there() -> None:
    told = result(run(CLUSTER + NODE_LOST, EVALUATORS))
    assert told["workers"] == 3
    assert sorted(int(job) for job, _, _ in told["found"]) == list(range(12))
    assert all(kind is None for _, kind, _ in told["found"])
    assert sum(attempts == 2 for _, _, attempts in told["found"]) <= 1


def test_a_folder_is_brought_to_every_node_and_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"something")
    found = result(run(CLUSTER + FOLDER, EVALUATORS, tmp_path))
    assert [item["files"] for item in found] == [{"deep/file": "something"}] * 6
    for item in found:
        assert item["folder"] != str(tmp_path) and not Path(item["folder"]).exists()


def test_a_search_is_the_same_as_here(tiny_config: Any, tmp_path: Path) -> None:
    from popnas.runs import RunFolder, search_content

    contents = []
    for kind, workers in (("inline", None), ("ray", 2)):
        changes = {"others.executor": {"kind": kind, "workers": workers}}
        run(SEARCH, json.dumps(tiny_config(**changes)), kind, tmp_path)
        contents.append(search_content(RunFolder.open(tmp_path / kind).journal.events()))
    assert contents[0] == contents[1]


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    program = (
        "from popnas import executors\n"
        "from popnas.executors import Work\n"
        "try: executors.create('ray', Work('a:b', 'a:b'), num_workers=None)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    told = run(program)
    assert told.startswith("UserError no Ray cluster can be reached at '127.0.0.1:1' (RAY_ADDRESS)"), told


def test_without_ray_it_is_said_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"needs the package 'ray'.*pip install \"popnas\[ray\]\""):
        executors.create("ray", Work("a:b", "a:b"), num_workers=None)
