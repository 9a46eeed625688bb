"""Candidates that are trained on other machines: devices, memory and costs are those of there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from popnas import evaluators, executors, resources, tasks
from popnas.cells import Block, Cell
from popnas.config import RunConfig
from popnas.errors import CandidateFailed, UserError
from popnas.evaluators.training import candidate, fits, placing
from popnas.events import JobEvent, PhaseAdvanced, PhaseStarted
from popnas.executors import Worker
from popnas.executors.processes import ProcessesExecutor
from popnas.executors.ray_cluster import RayExecutor
from popnas.resources import MemoryLimit
from popnas.workflows.settings import load_config


def of(name: str) -> Cell:
    return Cell((Block(-1, name, -1, name),))


@pytest.fixture
def load(config: Callable[..., Any]) -> Callable[..., RunConfig]:
    def made(strategy: str, kind: str = "ray", **executor: Any) -> RunConfig:
        fields = {"kind": kind, **executor}
        return load_config(config(**{"others.executor": fields, "others.train_strategy": strategy}))

    return made


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """One whose nodes have so many GPUs; this machine has none."""

    def have(num_gpus: int) -> None:
        nodes = [{"CPU": 4.0}, {"CPU": 64.0, "GPU": float(num_gpus)}]
        monkeypatch.setattr("popnas.executors._ray.connection.resources", lambda: nodes)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    return have


def test_the_devices_are_those_of_the_cluster(
    load: Callable[..., RunConfig], cluster: Callable[[int], None]
) -> None:
    cluster(3)
    assert placing.of_workers(load("auto")) == placing.of_workers(load("GPU")) == ("cuda:0",)
    assert placing.of_workers(load("multi-GPU")) == ("cuda:0", "cuda:1", "cuda:2")
    assert placing.of_workers(load("CPU")) == placing.devices(load("auto")) == ("cpu",)
    assert placing.num_workers(load("auto")) == placing.num_workers(load("multi-GPU")) == 3
    assert placing.num_workers(load("auto", workers_per_gpu=4)) == 12
    assert placing.num_workers(load("multi-GPU", workers_per_gpu=4)) == 12
    assert placing.num_workers(load("CPU", threads=2)) == 2 + 32
    cluster(0)
    assert placing.of_workers(load("auto")) == ("cpu",)
    for strategy in ("GPU", "multi-GPU"):
        with pytest.raises(UserError, match=r"its nodes have .*\. The cluster has: CPU\."):
            placing.of_workers(load(strategy))


def test_a_driver_s_own_gpu_is_none_of_the_cluster(
    load: Callable[..., RunConfig], cluster: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert placing.of_workers(load("auto")) == ("cpu",)


@pytest.mark.parametrize(("sharing", "share"), [(1, 1.0), (2, 0.5), (3, 0.3333), (6, 0.1666), (64, 0.0156)])
def test_as_many_parts_of_a_gpu_as_share_it_fit_into_it(sharing: int, share: float) -> None:
    work = executors.Work("a:b", "a:b")
    for devices in (["cuda:0"], ["cuda:0", "cuda:1"]):
        made = RayExecutor(work, num_workers=7, devices=devices * sharing)
        assert made._gpu_share == pytest.approx(share)
        assert round(made._gpu_share * 10_000) * sharing <= 10_000
        assert {made.worker(number).device for number in range(7)} == {"cuda:0"}
    assert RayExecutor(work, num_workers=7)._gpu_share == 0.0


def test_workers_share_a_gpu_of_this_machine_where_that_is_asked_for(
    load: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    shared = load("multi-GPU", "processes", workers_per_gpu=2)
    assert placing.of_workers(shared) == ("cuda:0", "cuda:1", "cuda:0", "cuda:1")
    assert placing.num_workers(shared) == 4
    assert placing.devices(shared) == ("cuda:0", "cuda:1")  # what trains one network together


def test_memory_of_other_machines_is_judged_by_their_workers(
    load: Callable[..., RunConfig], cluster: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = load("auto", workers=2)
    made = made.model_copy(update={"others": made.others.model_copy(update={"use_mixed_precision": True})})
    dataset = tasks.get(made.dataset.type).load(made)
    limits = [MemoryLimit(2**20, "the memory of this machine")]
    monkeypatch.setattr(resources, "memory_limits", lambda: limits)
    for num_gpus in (0, 2):
        cluster(num_gpus)
        assert fits.check_search(made, dataset) == []
        assert fits.may_outgrow(made, dataset)
    # In a worker: one of these machines.
    payload = candidate.CandidateSetup(made.to_json(), None, None, judges_memory=True).to_json()
    context = candidate.setup(payload, Worker(device="cpu"))
    network = (of("identity"), context.spec)
    assert context.room is not None
    with pytest.raises(CandidateFailed, match="the memory of this machine"):
        fits.check_candidate(context.room, made, dataset, network)


def test_a_worker_judges_by_the_one_gpu_that_it_sees(
    load: Callable[..., RunConfig], cluster: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(2)
    made = load("multi-GPU")
    dataset = tasks.get(made.dataset.type).load(made)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda place: (7 * 2**30, 8 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda place: 0)
    room = fits.Room.of(made, dataset, is_here=True, on=torch.device("cuda", 0))
    assert room.limits[0][0] == MemoryLimit(8 * 2**30, "the memory of cuda:0")
    assert room.num_workers == 1


def test_what_candidates_cost_is_probed_where_they_are_trained(
    load: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProcessesExecutor, "shares_disk", False)
    told: list[JobEvent] = []
    evaluator = evaluators.create(load("CPU", "processes", workers=1))
    forecast = evaluator.forecast(told.append)
    phases = [event.text for event in told if isinstance(event, PhaseStarted)]
    assert phases[0] == "probing operators on a machine of 'processes'"
    assert "probing operators" not in phases
    assert any(isinstance(event, PhaseAdvanced) for event in told)
    cells_NB4 = evaluator.space.encode([of("identity"), of("3x3 conv")])
    identity, convolution = forecast.expect(cells_NB4).seconds
    assert 0 < identity < convolution
    assert forecast.memory_bytes(cells_NB4) is None
