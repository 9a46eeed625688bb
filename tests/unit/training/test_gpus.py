"""What is measured of a kind of device, once, and what follows from it; a CPU stands for a GPU."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from popnas.config import RunConfig
from popnas.evaluators.training import placing
from popnas.networks.spec import NetworkSpec
from popnas.placement import Placement
from popnas.training.gpus import kept, timed
from popnas.training.gpus.facts import DeviceFacts, TimedStep
from popnas.workflows.settings import load_config

CPU, GPU = torch.device("cpu"), torch.device("cuda:1")
PLAIN = {"float32": (4.0, 4.0), "bfloat16": (4.0, 4.0), "float16": (4.0, 4.0)}


def facts(kind: str = "Some GPU", **seconds: tuple[float, float]) -> DeviceFacts:
    """Seconds by type: in torch's own layout, and channels last."""
    steps = [
        TimedStep(precision, is_last, both[is_last])  # type: ignore[arg-type]
        for precision, both in {**PLAIN, **seconds}.items()
        for is_last in (False, True)
    ]
    return DeviceFacts(kind, torch.__version__, 8_000, tuple(steps))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / "cache" / "popnas" / "devices.json"


@pytest.mark.parametrize(
    ("seconds", "is_mixed", "precision", "is_last"),
    [
        ({}, True, "float32", False),
        ({"float32": (4.0, 3.9)}, False, "float32", False),  # too little to tell
        ({"float32": (4.0, 3.0)}, False, "float32", True),
        ({"bfloat16": (2.0, 2.0)}, False, "float32", False),  # not asked for
        ({"bfloat16": (2.0, 2.0)}, True, "bfloat16", False),
        ({"bfloat16": (3.9, 1.0)}, True, "bfloat16", True),
        ({"bfloat16": (2.0, 2.0), "float16": (1.9, 1.9)}, True, "bfloat16", False),  # which needs no scaling
        ({"bfloat16": (3.0, 3.0), "float16": (1.0, 1.0)}, True, "float16", False),
        ({"bfloat16": (40.0, 40.0), "float16": (1.0, 1.0)}, True, "float16", False),  # emulated
        ({"float32": (4.0, 1.0), "bfloat16": (2.0, 2.0)}, True, "float32", True),
    ],
)
def test_a_device_trains_in_what_was_faster_there(
    seconds: dict[str, tuple[float, float]], is_mixed: bool, precision: str, is_last: bool
) -> None:
    found = facts(**seconds)
    best = found.best(is_mixed)
    assert (best.precision, best.is_channels_last) == (precision, is_last)
    place = found.placement(GPU, num_dims=2, filters=24, has_mixed_precision=is_mixed)
    autocast = None if precision == "float32" else getattr(torch, precision)
    layout = torch.channels_last if is_last else None
    assert place == Placement(GPU, layout, autocast, 8_000 / best.seconds)
    # Of series, and where tensor cores have none of it, the layout was not measured.
    assert found.placement(GPU, num_dims=1, filters=24, has_mixed_precision=is_mixed).memory_format is None
    assert found.placement(GPU, num_dims=2, filters=9, has_mixed_precision=is_mixed).memory_format is None
    told = found.why_not_mixed()
    if is_mixed:
        assert (told is None) == (precision != "float32")


def test_why_two_byte_floats_are_not_taken_is_told_with_the_figure() -> None:
    told = facts(float32=(4.0, 4.0), bfloat16=(8.0, 8.0), float16=(3.8, 3.8)).why_not_mixed()
    assert told is not None and "1.05 times as fast as in float32" in told and "Some GPU" in told


class Scripted:
    """A clock by which every step takes what is written for it."""

    def __init__(self, seconds: list[float]) -> None:
        self.seconds_of, self.num_started, self.is_running = iter(seconds), 0, False

    def start(self) -> None:
        assert not self.is_running
        self.is_running, self.num_started = True, self.num_started + 1

    def stop(self) -> None:
        self.is_running = False

    def seconds(self) -> float:
        return next(self.seconds_of)


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_BATCH_SIZE": 2, "_SIZE": 8, "_NUM_WARM_UPS": 1, "_NUM_STEPS": 2}.items():
        monkeypatch.setattr(timed, name, value)


@pytest.mark.usefixtures("_small")
def test_variants_are_timed_in_turn_and_their_medians_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed, "_NUM_ROUNDS", 3)
    rounds = [[2.0, 4.0, 6.0, 8.0, 10.0, 12.0], [99.0] * 6, [1.0] * 6]
    clock = Scripted([seconds for each in rounds for seconds in each])
    before = torch.random.get_rng_state()
    found = timed.measured(CPU, "a stand-in", lambda device: clock)
    assert clock.num_started == 18
    # Two steps each, and the median of three: what a moment disturbed, all six of them here, does not count.
    assert [step.seconds for step in found.steps] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    pixels = 2 * 8 * 8
    convolutions = 2 * 9 * pixels * (3 * 24 + 24 * 24 + 24 * 48 / 4 + 48 * 48 / 4)
    assert found.flops == convolutions + 2 * 2 * 48 * 10
    assert torch.equal(torch.random.get_rng_state(), before)
    assert DeviceFacts.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.usefixtures("_small", "_one_thread")
def test_a_step_of_every_variant_runs_and_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed, "_NUM_ROUNDS", 1)
    assert all(step.seconds > 0 for step in timed.measured(CPU, "a stand-in").steps)


# --- where it is kept


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run" / "restore").mkdir(parents=True)
    return tmp_path / "run"


class Measuring:
    def __init__(self, found: DeviceFacts | None) -> None:
        self.found, self.num = found, 0

    def __call__(self) -> DeviceFacts | None:
        self.num += 1
        return self.found


def test_it_is_measured_once_and_known_to_the_user_and_to_every_run(home: Path, run: Path) -> None:
    measure = Measuring(facts())
    for place in (None, None, run, run):
        assert kept.known("Some GPU", place, measure) == facts()
    assert measure.num == 1 and home.is_file() and (run / "restore" / "devices.json").is_file()
    other = Measuring(facts("Another", bfloat16=(1.0, 1.0)))
    assert kept.known("Another", run, other) == other.found
    assert kept.known("Some GPU", run, measure) == facts() and (measure.num, other.num) == (1, 1)


def test_of_several_at_once_the_first_measures_and_all_take_what_it_found(home: Path) -> None:
    """Workers of a cluster's node begin together; each would find other figures, beside the others."""
    started: list[float] = []

    def measure_of(number: int) -> Callable[[], DeviceFacts]:
        def measure() -> DeviceFacts:
            started.append(number)
            time.sleep(0.2)
            return facts(bfloat16=(1.0 + number, 1.0))

        return measure

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: kept.known("Some GPU", None, measure_of(n)), range(4)))
    assert len(started) == 1 and all(each == found[0] for each in found)
    assert len(json.loads(home.read_text())["devices"]) == 1


def test_a_run_goes_on_with_what_it_began_with(home: Path, run: Path) -> None:
    """Whatever was measured since, or nothing is known to this user."""
    began = facts(float32=(4.0, 1.0))
    kept.known("Some GPU", run, Measuring(began))
    home.unlink()
    kept.known("Some GPU", None, Measuring(facts()))
    assert kept.known("Some GPU", run, Measuring(None)) == began
    assert kept.known("Some GPU", None, Measuring(None)) == facts()


@pytest.mark.parametrize(
    "content",
    [
        "no JSON",
        "[]",
        '{"devices": [{"kind": "Some GPU"}]}',
        '{"devices": "all"}',
        "other version",
        "no time",
    ],
)
def test_what_cannot_be_used_is_measured_again(home: Path, content: str) -> None:
    home.parent.mkdir(parents=True)
    if content == "other version":
        content = json.dumps({"devices": [replace(facts(), version="1.0").to_json()]})
    elif content == "no time":
        content = json.dumps({"devices": [facts().to_json()]}).replace("4.0", "0.0")
    home.write_text(content)
    measure = Measuring(facts())
    assert kept.known("Some GPU", None, measure) == facts() and measure.num == 1
    assert kept.known("Some GPU", None, measure) == facts() and measure.num == 1


def test_a_disk_that_refuses_is_told_and_a_device_that_fails_goes_by_rule(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home.parent.parent.mkdir()
    home.parent.write_text("no folder")
    assert kept.known("Some GPU", None, Measuring(facts())) == facts()
    assert "is not kept in" in caplog.text
    assert kept.known("Some GPU", None, Measuring(None)) is None


# --- who asks


def test_a_cpu_goes_by_rule_and_leaves_nothing(home: Path) -> None:
    assert kept.of(CPU) is None
    assert not home.exists()


def test_networks_are_placed_by_what_is_known_of_their_gpu(
    tiny_config: Callable[..., dict[str, Any]], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = facts(float32=(4.0, 2.0), float16=(1.0, 1.0))
    asked: list[torch.device] = []
    given_back: list[torch.device] = []
    monkeypatch.setattr(kept, "release", given_back.append)
    alone: list[torch.device] = []

    @contextmanager
    def alone_on(device: torch.device) -> Iterator[None]:
        alone.append(device)
        yield
        alone.remove(device)

    monkeypatch.setattr(kept, "alone_on", alone_on)

    def measured(device: torch.device, kind: str) -> DeviceFacts:
        assert alone == [device]
        asked.append(device)
        return replace(known, kind=kind)

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    monkeypatch.setattr(timed, "measured", measured)
    config: RunConfig = load_config(tiny_config(**{"others.use_mixed_precision": True}))
    spec = NetworkSpec("classification", (32, 32, 3), 10, filters=24)
    for _ in range(2):
        place = placing.placement(config, spec, "cuda:1", run)
        assert place == Placement(GPU, None, torch.float16, 8_000.0)
    assert asked == [GPU] and (run / "restore" / "devices.json").is_file()

    assert given_back == [GPU]

    def fails(device: torch.device, kind: str) -> DeviceFacts:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A full one")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(timed, "measured", fails)
    assert placing.placement(config, spec, "cuda:1") == Placement(GPU, torch.channels_last, torch.bfloat16)
    assert given_back == [GPU, GPU]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="a GPU")
def test_a_gpu_is_measured_and_placed(run: Path) -> None:
    found = kept.of(torch.device("cuda:0"), run)
    assert found is not None and found == kept.of(torch.device("cuda:0"), run)
    place = found.placement(torch.device("cuda:0"), num_dims=2, filters=24, has_mixed_precision=True)
    assert place.flops_per_second is not None and place.flops_per_second > 1e10


def test_what_is_not_whole_is_measured_again(home: Path) -> None:
    whole = facts()
    kept.known("Some GPU", None, Measuring(whole))
    stored = json.loads(home.read_text())
    del stored["devices"][0]["steps"][2]
    home.write_text(json.dumps(stored))
    measure = Measuring(whole)
    assert kept.known("Some GPU", None, measure) == whole and measure.num == 1
