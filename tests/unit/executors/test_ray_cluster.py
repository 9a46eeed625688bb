"""Ray: a search there is the search that it is here, and a lost node costs what ran on it.

Each test is a process of its own: Ray stays connected for as long as a process lives.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from popnas import executors
from popnas.errors import UserError
from popnas.executors import Work
from popnas.runs import RunFolder, search_content

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
EVALUATORS = Path(__file__).parent

CLUSTER = """
import sys; sys.path.insert(0, sys.argv[1])
import json, os, signal, time
from pathlib import Path
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
from popnas import executors
from popnas.executors import Job, Work
from popnas.executors._ray import connection

def begin(head, *others):
    global cluster, nodes
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(**other) for other in others]
    os.environ["RAY_ADDRESS"] = cluster.address

def kill(node):
    "At once and with all that runs there, as when its power fails."
    for processes in node.all_processes.values():
        for each in processes:
            each.process.kill()

def lose(node):
    cluster.remove_node(node, allow_graceful=False)

def made(num_workers, payload=None, **options):
    work = Work("evaluators:setup", "evaluators:evaluate", payload or {})
    return executors.create("ray", work, num_workers=num_workers, **options)

def tell(found):
    print("RESULT", json.dumps(found))

def seen(result):
    return result.id, result.error_kind, result.attempts
"""
THREE = "begin({'num_cpus': 1}, {'num_cpus': 1}, {'num_cpus': 1})\n"
NODES_LOST = """
found, heard = [], []
with made(None) as executor:
    jobs = [Job(str(i), {"x": i, "do": "tell_now_and_then", "times": 3}) for i in range(9)]
    for result in executor.run(jobs, on_progress=lambda *told: heard.append(len(found))):
        found.append(seen(result))
        if len(found) == 3:
            lose(nodes[0])
        if len(found) == 6:
            lose(nodes[1])
tell({"workers": executor.num_workers, "found": found, "heard": heard})
"""
IDLE_LOST = """
begin({"num_cpus": 1}, {"num_cpus": 3})
with made(4) as executor:
    list(executor.run([Job(str(i), {"seconds": 4}) for i in range(4)]))
    lose(nodes[0])
    found = [seen(each) for each in executor.run([Job("last", {"seconds": 0.2})])]
    found += [seen(each) for each in executor.run([Job(str(i), {"seconds": 0.2}) for i in range(5)])]
tell(found)
"""
BEGINNING_LOST = """
begin({"num_cpus": 1}, {"num_cpus": 4})
with made(5, {"setup_seconds": 8}) as executor:
    executor.prestart()
    time.sleep(6)
    lose(nodes[0])
    found = [seen(each) for each in executor.run([Job(str(i), {}) for i in range(5)])]
tell(found)
"""
MAILBOX_LOST = """
begin({"num_cpus": 1})
found = []
with made(1) as executor:
    jobs = [Job(str(i), {"x": i, "do": "tell_now_and_then", "times": 3}) for i in range(2)]
    heard = []
    def hear(job_id, progress):
        if not heard:
            connection.connected().kill(executor._mailbox)
        heard.append(job_id)
    found = [seen(each) for each in executor.run(jobs, on_progress=hear)]
tell({"found": found, "heard": heard})
"""
FOLDER = """
place = sys.argv[2]
work = Work("evaluators:setup", "evaluators:evaluate", {}, place)
with executors.create("ray", work, num_workers=3) as executor:
    jobs = [Job(str(i), {"do": "read_the_folder", "seconds": 0.5}) for i in range(6)]
    found = [result.value or result.error for result in executor.run(jobs)]
tell(found)
"""
GPUS = """
begin({"num_cpus": 2}, {"num_cpus": 6, "num_gpus": 1})
ray = executors.REGISTRY.get("ray")
def workers(devices, threads=1):
    return ray.workers_for(None, threads, devices)
counted = [ray.num_gpus(), workers(["cuda:0"]), workers(["cuda:0"] * 4), workers(["cuda:0"] * 9)]
counted += [workers(["cuda:0"] * 4, threads=3), workers(["cpu"])]
def met(number, devices, on_start=None):
    place = Path(sys.argv[2]) / str(number)
    place.mkdir()
    payload = {"do": "meet", "place": str(place), "number": number, "seconds": 60}
    with made(number, devices=devices) as executor:
        jobs = [Job(str(i), {**payload, "x": i}) for i in range(number)]
        return [result.value for result in executor.run(jobs, on_start)]
shared = met(6, ["cuda:0"] * 6)
grown = met(2, ["cuda:0"], lambda job: ray.num_gpus() > 1 or cluster.add_node(num_cpus=1, num_gpus=1))
tell({"counted": counted, "shared": shared, "grown": grown})
"""
GONE = """
begin({"num_cpus": 1})
connection._ASK_SECONDS, connection._LOST_SECONDS = 0.5, 4.0
executor, found = made(1), []
try:
    for result in executor.run([Job(str(i), {"seconds": 0.5}) for i in range(100)]):
        found.append(seen(result))
        if len(found) == 2:
            kill(cluster.head_node)
except Exception as error:
    executor.close()
    tell([type(error).__name__, str(error)])
"""
GONE_BETWEEN = """
begin({"num_cpus": 1})
connection._ASK_SECONDS, connection._LOST_SECONDS = 0.5, 4.0
executor = made(1)
list(executor.run([Job("first", {})]))
kill(cluster.head_node)
began = time.monotonic()
try:
    list(executor.run([Job("second", {})]))
except Exception as error:
    executor.close()
    tell([type(error).__name__, str(error), time.monotonic() - began])
"""
SEARCH = """
from popnas.events import CandidateFinished
from popnas.workflows.searching.search import resume, search
config, place = json.loads(sys.argv[2]), Path(sys.argv[3])
finished = []
def hear(event, then=lambda: None):
    if isinstance(event, CandidateFinished):
        finished.append(event.evaluation.index)
        if len(finished) == 4:
            then()
"""
SEARCHED = "search(config, name=place.name, logs=place.parent)\n"
NODE_LOST_AMID = """
search(config, name=place.name, logs=place.parent, tell=lambda event: hear(event, lambda: lose(nodes[0])))
"""
HEAD_LOST_AMID = """
connection._ASK_SECONDS, connection._LOST_SECONDS = 0.5, 4.0
def kill_all():
    for node in (cluster.head_node, *nodes):
        kill(node)
try:
    search(config, name=place.name, logs=place.parent, tell=lambda event: hear(event, kill_all))
except Exception as error:
    tell([type(error).__name__, str(error)])
"""
RESUMED = "resume(place)\n"
TWO_KINDS = """
begin({"num_cpus": 0}, {"num_cpus": 1}, {"num_cpus": 1, "resources": {"slow": 1}})
from popnas.evaluators.training.evaluator import TrainingEvaluator
from popnas.events import Warned
TrainingEvaluator.setup = "ray_probes:setup"
told = []
search(config, name=place.name, logs=place.parent, tell=told.append)
tell([event.text for event in told if isinstance(event, Warned)])
"""


def run(program: str, *arguments: object) -> str:
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "-c", program, str(EVALUATORS), *map(str, arguments)],
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


def test_a_lost_node_costs_the_jobs_that_ran_there_and_no_progress() -> None:
    told = result(run(CLUSTER + THREE + NODES_LOST))
    assert told["workers"] == 3
    assert sorted(int(job) for job, _, _ in told["found"]) == list(range(9))
    assert all(kind is None for _, kind, _ in told["found"])
    assert sum(attempts == 2 for _, _, attempts in told["found"]) <= 2
    assert max(told["heard"]) > 6, "the mailbox is where the driver is"


def test_actors_that_are_lost_while_they_wait_cost_no_result() -> None:
    found = result(run(CLUSTER + IDLE_LOST))
    assert [kind for _, kind, _ in found] == [None] * 6
    assert sum(attempts == 2 for _, _, attempts in found) <= 1


def test_many_actors_that_are_lost_with_their_node_before_they_began_end_no_search() -> None:
    found = result(run(CLUSTER + BEGINNING_LOST))
    assert sorted(found) == [[str(number), None, 1] for number in range(5)]


def test_the_mailbox_costs_no_result() -> None:
    told = result(run(CLUSTER + MAILBOX_LOST))
    assert told["found"] == [["0", None, 1], ["1", None, 1]]
    assert told["heard"][0] == "0" and told["heard"][-1] == "1", "there is another one"


def test_a_folder_is_brought_to_every_node_and_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"something")
    found = result(run(CLUSTER + THREE + FOLDER, tmp_path))
    assert [item["files"] for item in found] == [{"deep/file": "something"}] * 6
    for item in found:
        assert item["folder"] != str(tmp_path) and not Path(item["folder"]).parent.exists()


def test_gpus_are_those_of_the_nodes_and_as_many_workers_share_one_as_are_meant_to(tmp_path: Path) -> None:
    """Ray believes in GPUs that it is told of. Here, with the driver, there is none."""
    told = result(run(CLUSTER + GPUS, tmp_path))
    assert told["counted"] == [1, 1, 4, 6, 2, 8]
    assert told["shared"] == [{"met": 6, "device": "cuda:0", "visible": "0"}] * 6
    assert [item["met"] for item in told["grown"]] == [2, 2], "each waited for a GPU of its own"


def test_a_cluster_that_is_gone_is_told_in_a_sentence() -> None:
    name, message = result(run(CLUSTER + GONE))
    assert name == "ExecutorError"
    assert message.startswith("the Ray cluster is lost: its head at ")
    assert "go on with `popnas search -r` and the run's folder" in message


def test_a_cluster_that_goes_between_two_steps_is_told_before_ray_ends_the_driver() -> None:
    name, message, seconds = result(run(CLUSTER + GONE_BETWEEN))
    assert (name, "has not answered for" in message) == ("ExecutorError", True)
    assert seconds < 30


def content(path: Path) -> list[str]:
    return search_content(RunFolder.open(path).journal.events())


@pytest.fixture
def config(tiny_config: Any) -> Callable[[str], str]:
    def made(kind: str) -> str:
        return json.dumps(tiny_config(**{"others.executor": {"kind": kind, "workers": None}}))

    return made


@pytest.fixture(scope="module")
def contents() -> dict[str, list[str]]:
    """What was searched once for all of these tests."""
    return {}


@pytest.fixture
def with_processes(config: Any, contents: dict[str, list[str]], tmp_path: Path) -> list[str]:
    if not contents:
        run(CLUSTER + SEARCH + SEARCHED, config("processes"), tmp_path / "processes")
        contents["processes"] = content(tmp_path / "processes")
    return contents["processes"]


def test_a_search_on_three_nodes_is_the_same_as_with_processes(
    config: Any, with_processes: list[str], tmp_path: Path
) -> None:
    run(CLUSTER + THREE + SEARCH + SEARCHED, config("ray"), tmp_path / "ray")
    assert len(with_processes) > 10
    assert content(tmp_path / "ray") == with_processes


def test_a_node_lost_amid_a_search_costs_the_candidates_that_ran_there(
    config: Any, with_processes: list[str], tmp_path: Path
) -> None:
    run(CLUSTER + THREE + SEARCH + NODE_LOST_AMID, config("ray"), tmp_path / "ray")
    assert content(tmp_path / "ray") == with_processes
    evaluations = RunFolder.open(tmp_path / "ray").state().evaluations
    attempts = [evaluation.volatile["attempts"] for evaluation in evaluations]
    assert set(attempts) <= {1, 2} and attempts.count(2) <= 1


def test_a_search_whose_cluster_was_lost_goes_on_in_another(
    config: Any, with_processes: list[str], tmp_path: Path
) -> None:
    name, message = result(run(CLUSTER + THREE + SEARCH + HEAD_LOST_AMID, config("ray"), tmp_path / "ray"))
    assert (name, "the Ray cluster is lost" in message) == ("ExecutorError", True)
    num_before = len(RunFolder.open(tmp_path / "ray").state().evaluations)
    run(CLUSTER + THREE + SEARCH + RESUMED, config("ray"), tmp_path / "ray")
    assert content(tmp_path / "ray") == with_processes
    assert 4 <= num_before < len(RunFolder.open(tmp_path / "ray").state().evaluations)


def test_times_of_two_kinds_of_machines_are_brought_to_those_of_one(tiny_config: Any, tmp_path: Path) -> None:
    changes = {"others.executor": {"kind": "ray"}, "others.timing": "measured", "others.trackers": []}
    told = result(run(CLUSTER + SEARCH + TWO_KINDS, json.dumps(tiny_config(**changes)), tmp_path / "ray"))
    assert sum("times of the former are multiplied by" in text for text in told) == 1
    evaluations = RunFolder.open(tmp_path / "ray").state().arrived
    first = evaluations[0].volatile["machine"]
    kinds = {each.volatile["machine"] for each in evaluations}
    assert kinds == {"a slow one", "a fast one"}
    for each in evaluations:
        by = {"a slow one": 1 / 3, "a fast one": 3.0}[each.volatile["machine"]]
        by = 1.0 if each.volatile["machine"] == first else by
        assert each.volatile.get("times_by", 1.0) == pytest.approx(by)
        assert each.epochs_seconds is not None
        assert each.training_seconds == pytest.approx(by * each.epochs_seconds)


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
