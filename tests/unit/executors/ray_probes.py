"""Workers of a cluster whose nodes pretend to be of two kinds: those that have the resource "slow"."""

from __future__ import annotations

from popnas import resources
from popnas.evaluators.training import candidate
from popnas.evaluators.training.context import CandidateContext
from popnas.executors import Worker
from popnas.records import Json
from popnas.training import clocks


def setup(payload: Json, worker: Worker) -> CandidateContext:
    import ray

    own = ray.get_runtime_context().get_node_id()
    (node,) = [each for each in ray.nodes() if each["NodeID"] == own]
    is_slow = "slow" in node["Resources"]
    resources.processor = lambda: "a slow one" if is_slow else "a fast one"
    clocks.probe_seconds = lambda place: 0.3 if is_slow else 0.1
    return candidate.setup(payload, worker)
