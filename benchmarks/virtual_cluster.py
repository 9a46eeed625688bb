"""A Ray cluster of any size that computes nothing, with a clock of its own: what the driver of a search, its
executor for Ray among it, makes of many workers.

Stands in for the module `ray`, of which it has what `popnas.executors.ray_cluster` and its parts use. Its
clock goes on by what the driver takes, as that passes by the real clock between two calls, and, where the
driver waits, to the next thing that happens. An evaluation takes as long as its answer says
(`training_seconds`), and tells how far it is now and then; computing the answer costs no time. What Ray
itself takes in the driver is charged beside.
"""

from __future__ import annotations

import bisect
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

from popnas.executors import Progress
from popnas.executors._messages import Advanced, packed
from popnas.executors._ray.actors import Mailbox, Trainer

CALL_SECONDS, WAIT_SECONDS = 0.0002, 0.000001
"""Of Ray 2.60 on one machine: a call of an actor's method took 0.16 ms, waiting for 1,000 answers 0.8 ms."""
NUM_TOLD = 10
NODE = "the only one"


@dataclass(frozen=True, eq=False)
class Promise:
    """An answer, and when it is there."""

    ready: float
    value: Any


@dataclass(frozen=True)
class Busy:
    """One evaluation: by whom, from when to when."""

    worker: int
    start: float
    end: float


class Method:
    """What `handle.method` is: its `remote` calls it."""

    def __init__(self, call: Any) -> None:
        self.remote = call


class VirtualCluster:
    """See the module; `evaluations`: all that were handed out."""

    exceptions = SimpleNamespace(RayError=ConnectionError)
    util = SimpleNamespace(
        scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, *, soft: node)
    )

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers
        self.now = self.driver_seconds = 0.0
        self.evaluations: list[Busy] = []
        self._num_actors = 0
        self._told: list[tuple[float, str, str]] = []
        self._left = time.perf_counter()

    # --- what the executor asks of `ray`

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "NodeID": NODE, "Resources": {"CPU": self.num_workers}}]

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(gcs_address="", get_node_id=lambda: NODE)

    def remote(self, **options: Any) -> Any:
        return lambda kind: Method(lambda: self._actor(kind()))

    def wait(
        self, promises: Sequence[Promise], *, num_returns: int = 1, timeout: float
    ) -> tuple[list[Promise], list[Promise]]:
        self._enter()
        self.now += WAIT_SECONDS * len(promises)
        ordered = sorted(promises, key=lambda promise: promise.ready)
        until = min(self.now + timeout, ordered[min(num_returns, len(ordered)) - 1].ready)
        self.now = max(self.now, until)
        ready = [promise for promise in ordered[:num_returns] if promise.ready <= self.now]
        self._leave()
        return ready, [promise for promise in promises if promise not in ready]

    def get(self, promise: Promise) -> Any:
        return promise.value

    def kill(self, handle: Any) -> None:
        pass

    # --- behind it

    def _enter(self) -> None:
        spent = time.perf_counter() - self._left
        self.now += spent
        self.driver_seconds += spent

    def _leave(self) -> None:
        self._left = time.perf_counter()

    def _actor(self, made: Any) -> Any:
        if isinstance(made, Mailbox):
            return _Handle(take=partial(self._call, self._news))
        number, self._num_actors = self._num_actors, self._num_actors + 1
        assert isinstance(made, Trainer)
        return _Handle(
            set_up=partial(self._call, made.set_up), evaluate=partial(self._evaluate, made, number)
        )

    def _call(self, method: Any, *arguments: Any) -> Promise:
        self._enter()
        self.now += CALL_SECONDS
        promise = Promise(self.now, method(*arguments))
        self._leave()
        return promise

    def _news(self) -> str:
        count = bisect.bisect_right(self._told, self.now, key=lambda told: told[0])
        news, self._told = self._told[:count], self._told[count:]
        return json.dumps([told[1:] for told in news])

    def _evaluate(self, trainer: Trainer, number: int, job: str, payload: str, mailbox: Any) -> Promise:
        self._enter()
        self.now += CALL_SECONDS
        answer = trainer.evaluate(job, payload, None)
        seconds = json.loads(answer)["result"]["value"]["training_seconds"]
        for told in range(1, NUM_TOLD + 1) if mailbox is not None else ():
            text = json.dumps(packed(Advanced(Progress(told, NUM_TOLD))))
            bisect.insort(self._told, (self.now + told / NUM_TOLD * seconds, job, text))
        self.evaluations.append(Busy(number, self.now, self.now + seconds))
        self._leave()
        return Promise(self.now + seconds, answer)


class _Handle:
    def __init__(self, **methods: Any) -> None:
        self.__dict__ |= {name: Method(call) for name, call in methods.items()}
