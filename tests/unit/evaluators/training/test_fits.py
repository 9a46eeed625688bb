"""What cannot be done here is refused before anything is trained, with figures and a remedy that works."""

import gc
import random
import re
import resource
import subprocess
import sys
import weakref
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import pytest
import torch

from popnas import evaluators, resources, tasks
from popnas.cells import Block, Cell, SearchSpace
from popnas.errors import CandidateFailed, DeviceFilledError, UserError
from popnas.evaluation import CandidateJob
from popnas.evaluators.training import candidate, fits, forecast, probing
from popnas.events import CandidateFinished
from popnas.executors import Worker
from popnas.resources import MemoryLimit
from popnas.training import device
from popnas.workflows.searching.plan import plan
from popnas.workflows.searching.search import search
from popnas.workflows.settings import load_config

GIB = 2**30


@pytest.fixture
def loaded(config):
    """(configuration, its data), for changes of the tiny configuration."""

    def load(**changes):
        made = load_config(config(**changes))
        return made, tasks.get(made.dataset.type).load(made)

    return load


@pytest.fixture
def memory(monkeypatch):
    """Lets the machine have so many bytes."""

    def have(num_bytes):
        limit = MemoryLimit(num_bytes, "the memory of this machine")
        monkeypatch.setattr(resources, "memory_limits", lambda: [limit])
        monkeypatch.setattr(resources, "memory_in_use", lambda: 600 * 2**20)

    return have


def test_what_fits_is_let_through_without_a_word(loaded):
    assert fits.check_search(*loaded()) == []


def test_networks_that_do_not_fit_are_refused_with_a_batch_size_that_does(loaded, memory):
    large = {"architecture_hyperparameters.filters": 32, "dataset.resize": {"width": 96, "height": 96}}
    made, dataset = loaded(**large, **{"dataset.batch_size": 90})
    need = fits.check_memory(made, dataset, [_conv(made, dataset)])[0]
    memory(0)
    used = fits.Room.of(made, dataset).limits[0][1]
    memory(used + need.memory.fixed + 30 * need.memory.per_sample)
    with pytest.raises(UserError) as refusal:
        fits.check_search(made, dataset)
    message = str(refusal.value)
    assert "3x3 conv" in message and "dataset.batch_size 90" in message and "iB" in message
    most = int(re.search(r"batch_size: (\d+) should fit", message).group(1))
    assert most == 30
    smaller, _ = loaded(**large, **{"dataset.batch_size": most})
    fits.check_search(smaller, dataset)


def _conv(made, dataset):
    spec = tasks.get(made.dataset.type).network_spec(made, dataset)
    return Cell.parse("[(-1, 3x3 conv, -1, 3x3 conv)]"), spec


def test_where_no_batch_fits_other_remedies_are_named(loaded, memory):
    made, dataset = loaded(**{"architecture_hyperparameters.filters": 1024})
    memory(GIB)
    with pytest.raises(UserError, match=r"Even a batch_size of 2 .*filters \(1024\).*motifs \(2\)"):
        fits.check_search(made, dataset)


def test_many_workers_are_warned_about_and_told_how_many_fit(loaded, memory):
    made, dataset = loaded(**{"others.executor": {"kind": "processes", "workers": 64}})
    memory(8 * GIB)
    (warning,) = fits.check_search(made, dataset)
    fitting = int(re.search(r"others.executor.workers=(\d+) fits", warning).group(1))
    assert 1 <= fitting < 64
    made, _ = loaded(**{"others.executor": {"kind": "processes", "workers": fitting}})
    assert fits.check_search(made, dataset) == []


@pytest.mark.parametrize("command", [plan, search])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture_hyperparameters.filters": 4096, "architecture_hyperparameters.motifs": 9}, "GiB"),
        (
            {
                "architecture_hyperparameters.normal_cells_per_motif": 100,
                "architecture_hyperparameters.motifs": 9,
                "architecture_hyperparameters.filters": 256,
            },
            "normal_cells_per_motif",
        ),
        (
            {"training_hyperparameters.epochs": 100_000, "others.max_candidate_seconds": 2.0},
            "max_candidate_s",
        ),
    ],
)
def test_sizes_that_cannot_be_are_refused_before_there_is_a_folder(
    config, tmp_path, monkeypatch, command, changes, words
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        command(load_config(config(**changes)))
    assert list(tmp_path.iterdir()) == []


def test_a_candidate_of_a_later_step_that_does_not_fit_fails_with_figures_and_the_search_goes_on(
    config, loaded, memory, tmp_path
):
    operators = {"search_space.operators": ["3x3 conv", "5x5 conv"]}
    made, dataset = loaded(**operators)
    memory(0)
    assert fits.may_outgrow(made, dataset)
    used = fits.Room.of(made, dataset).limits[0][1]
    spec = tasks.get(made.dataset.type).network_spec(made, dataset)
    largest = fits.need_of(Cell.parse("[(-1, 5x5 conv, -1, 5x5 conv)]"), spec, 32)
    memory(used + largest.memory.least(32))
    told = []
    found = search(config(**operators), logs=tmp_path, tell=told.append)
    assert found.best is not None and found.reason == "completed"
    finished = [event.evaluation for event in told if isinstance(event, CandidateFinished)]
    failed = [evaluation for evaluation in finished if evaluation.is_failed]
    assert failed and {(evaluation.step, evaluation.error_kind) for evaluation in failed} == {
        (2, "out_of_memory")
    }
    for evaluation in failed:
        assert re.search(
            r"training the network of .* takes about [\d.]+ MiB at dataset.batch_size 32, and [\d.]+ MiB are "
            r"left of [\d.]+ GiB, the memory of this machine\. .*(Lower|Even)",
            evaluation.error,
        )


def test_what_a_candidate_held_that_ran_out_of_memory_is_given_back(loaded, monkeypatch):
    made, _ = loaded()
    context = candidate.setup(evaluators.create(made).payload(None, None), Worker())
    networks, alive = [], []

    def run_out(network, *others):
        networks.append(weakref.ref(network))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB.")

    def release(place):
        gc.collect()
        alive.append(networks[0]())

    monkeypatch.setattr(candidate.training, "fit", run_out)
    monkeypatch.setattr(candidate, "release", release)
    job = CandidateJob(Cell.parse("[(-1, identity, -1, identity)]").key, 1, 0, 7)
    found = candidate.evaluate(context, job.to_json())
    assert found["error_kind"] == "out_of_memory" and alive == [None]


def test_a_candidate_that_no_memory_holds_is_a_failed_one(loaded):
    made, dataset = loaded()
    cell, spec = _conv(made, dataset)
    room = fits.Room.of(made, dataset, is_here=True)
    fits.check_candidate(room, made, dataset, (cell, spec))
    with pytest.raises(CandidateFailed, match=r"no memory holds.*Lower filters") as failure:
        fits.check_candidate(room, made, dataset, (cell, spec.replace(motifs=70)))
    assert failure.value.kind == "out_of_memory"


def test_where_memory_is_plenty_no_candidate_is_judged(loaded, memory):
    made, dataset = loaded()
    memory(8 * GIB)
    assert not fits.may_outgrow(made, dataset)


@pytest.mark.parametrize("seed", range(4))
def test_a_block_adds_less_than_the_network_of_its_dearest_operator_takes(loaded, seed):
    made, dataset = loaded()
    _, spec = _conv(made, dataset)
    draw = random.Random(seed)
    space = SearchSpace(["identity", "3x3 conv", "7x7 conv", "2x2 maxpool", "1x5-5x1 conv"], 5, 3)
    cells = [np.stack([draw.choice(list(space.new_blocks(step))) for step in range(1, 6)]) for _ in range(2)]
    for cell in space.decode(np.stack(cells)):
        dearest = max(
            fits.need_of(Cell((Block(-1, name, -1, name),)), spec, 32).memory.least(32)
            for name in cell.operators
        )
        assert fits.need_of(cell, spec, 32).memory.least(32) <= len(cell.blocks) * dearest


def test_trainings_beyond_a_year_are_refused(loaded):
    made, dataset = loaded()
    steps_per_epoch = -(-len(dataset.train) // 32)
    year = int(0.99 * fits.LONGEST_SECONDS / fits.LEAST_STEP_SECONDS)
    fits.check_time(made, dataset, num_trainings=year // steps_per_epoch)
    with pytest.raises(UserError, match="no machine does within a year"):
        fits.check_time(made, dataset, num_trainings=2 * year // steps_per_epoch)


@pytest.mark.parametrize(
    ("depth", "blocks", "words"), [(3000, 1, "all .* cells of one block"), (300, 2, "step 2 predicts")]
)
def test_more_cells_than_memory_holds_are_refused(loaded, memory, depth, blocks, words):
    made, dataset = loaded()
    space = made.search_space.model_copy(update={"lookback_depth": depth, "blocks": blocks})
    memory(4 * GIB)
    with pytest.raises(UserError, match=f"{words}.*lookback_depth"):
        fits.check_search(made.model_copy(update={"search_space": space}), dataset)


def test_a_tight_address_space_ends_in_a_sentence(tmp_path):
    x = np.zeros((24, 20_000, 1), np.float32)
    np.savez(tmp_path / "x.npz", x_train=x + np.arange(24)[:, None, None], y_train=np.arange(24) % 2)
    sets = ("dataset.path=x.npz", "dataset.name=null", "architecture_hyperparameters.filters=64")
    limit = 5 * GIB
    process = subprocess.run(
        [sys.executable, "-m", "popnas", "search", "-j", "run_ts", *(a for s in sets for a in ("--set", s))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert process.returncode == 2, process.stderr
    assert "ulimit -v" in process.stderr and "batch_size" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "logs").exists()


def test_threads_that_cannot_be_started_are_refused_with_how_many_can(loaded, monkeypatch):
    monkeypatch.setattr(resources, "startable_threads", lambda count: min(count, 20))
    config, dataset = loaded(**{"others.executor": {"threads": 11}})
    with pytest.raises(UserError, match=r"threads: 11 threads cannot be started.*only 10: "):
        fits.check_search(config, dataset)
    config, dataset = loaded(**{"others.executor": {"threads": 10}})
    fits.check_search(config, dataset)


# --- GPUs, of which only what they say of their memory is made up


@pytest.fixture
def gpus(monkeypatch):
    """Lets the machine have GPUs of so many bytes, of which so many are free; and this process so many
    reserved. What is free may be asked of one of them only: it opens a context there."""

    def have(*memory, reserved=0):
        names, opened = tuple(f"cuda:{number}" for number in range(len(memory))), set()

        def asked(place):
            opened.add(torch.device(place).index)
            return memory[torch.device(place).index]

        monkeypatch.setattr(device, "names", lambda train_strategy, num_gpus=None: names)
        monkeypatch.setattr(torch.cuda, "mem_get_info", asked)
        monkeypatch.setattr(
            torch.cuda, "get_device_properties", lambda place: _Properties(memory[place.index][1])
        )
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda place: reserved)

        return opened

    return have


class _Properties(NamedTuple):
    total_memory: int


TWO_GPUS = {"others.train_strategy": "multi-GPU", "others.executor": {"kind": "processes", "workers": 4}}


def test_a_gpu_holds_contexts_and_copies_of_the_data_beside_networks(loaded, gpus):
    made, dataset = loaded(**TWO_GPUS)
    gpus((8 * GIB, 8 * GIB), (8 * GIB, 8 * GIB))
    room = fits.Room.of(made, dataset)
    ((limit, used),) = room.limits
    assert (limit.num_bytes, limit.what) == (8 * GIB, "the memory of cuda:0")
    assert used == room.per_worker == fits.CONTEXT_BYTES + fits.data_bytes(dataset.full_train)
    assert (room.num_workers, room.num_devices, room.others) == (2, 2, 0)
    streamed, _ = loaded(**TWO_GPUS, **{"dataset.cache": False})
    assert fits.Room.of(streamed, dataset).per_worker == fits.CONTEXT_BYTES


def test_a_worker_is_judged_by_its_own_gpu_and_others_by_the_largest(loaded, gpus):
    made, dataset = loaded(**TWO_GPUS)
    gpus((4 * GIB, 4 * GIB), (16 * GIB, 16 * GIB))
    assert fits.Room.of(made, dataset).limits[0][0].num_bytes == 16 * GIB
    own = fits.Room.of(made, dataset, is_here=True, on=torch.device("cuda:0"))
    assert (own.limits[0][0].num_bytes, own.num_workers) == (4 * GIB, 1)


@pytest.mark.parametrize("sharing", [1, 4])
def test_a_network_that_fits_has_not_failed_where_others_fill_the_gpu(loaded, gpus, sharing):
    """Its failure would be final, and one worker after the other would fail within seconds."""
    made, dataset = loaded(**TWO_GPUS)
    network, place = _conv(made, dataset), torch.device("cuda:0")
    peak, data = fits.need_of(*network, 32).peak, fits.data_bytes(dataset.full_train)
    resting = sharing * (fits.CONTEXT_BYTES + data)

    def check(total, others):
        gpus((total - resting - others, total), reserved=data)
        fits.check_not_filled_by_others(made, dataset, network, place, sharing)

    with pytest.raises(DeviceFilledError, match=r"hold about [\d.]+ GiB of 8.0 GiB,.* has not failed: end"):
        check(8 * GIB, 8 * GIB - resting - peak // 2)
    check(8 * GIB, 0)  # nobody else is there: it is the network's own doing
    check(8 * GIB, 4 * GIB)  # there is room beside them
    check(resting + 3 * peak // 2, peak)  # what others hold is a small part of it, as of a desktop's
    check(resting + peak // 2, 0)  # it fits nowhere


def test_a_context_is_opened_on_one_gpu_only(loaded, gpus):
    made, dataset = loaded(**TWO_GPUS)
    opened = gpus((8 * GIB, 8 * GIB), (16 * GIB, 16 * GIB), (8 * GIB, 8 * GIB))
    fits.Room.of(made, dataset)
    assert opened == {1}


def test_what_others_hold_of_a_gpu_warns_and_refuses_nothing(loaded, gpus):
    """They may be gone in an hour. This process's own is there for its networks, but not beside workers."""
    made, dataset = loaded(**TWO_GPUS)
    used = 5 * GIB
    gpus((8 * GIB - used, 8 * GIB), (8 * GIB, 8 * GIB), reserved=GIB)
    room = fits.Room.of(made, dataset, on=torch.device("cuda:0"))
    here = fits.Room.of(made, dataset, is_here=True, on=torch.device("cuda:0"))
    assert room.others == used and here.others == used - GIB - fits.CONTEXT_BYTES
    need = fits.need_of(*_conv(made, dataset), 32)
    assert room.may_hold(need)
    assert room.holds(need.peak, 2) and not room.holds(3 * GIB, 1)
    (warning,) = room.warnings(2 * GIB)
    assert "of which 5.0 GiB are in use now by others" in warning


def test_how_many_workers_fit_is_said_of_all_gpus(loaded, gpus):
    made, dataset = loaded(**TWO_GPUS)
    gpus((8 * GIB, 8 * GIB), (8 * GIB, 8 * GIB))
    (warning,) = fits.Room.of(made, dataset).warnings(6 * GIB)
    assert "2 worker(s) together may take" in warning and "others.executor.workers=2 fits" in warning
    assert fits.Room.of(made, dataset).warnings(3 * GIB) == []


@pytest.mark.parametrize(("per_device", "number"), [(None, 2), (5, 5)])
def test_a_plan_counts_the_memory_of_all_that_share_each_gpu(loaded, gpus, monkeypatch, per_device, number):
    monkeypatch.setattr(forecast, "probed", lambda *_: probing.Probes([], [], 0.0))
    monkeypatch.setattr(probing, "cost_model", lambda *_: None)
    made, dataset = loaded(**TWO_GPUS)
    gpus((8 * GIB, 8 * GIB), (8 * GIB, 8 * GIB))
    cell, spec = _conv(made, dataset)
    planned = forecast.TrainingForecast(made, dataset, spec, print, per_device=per_device)
    each = fits.CONTEXT_BYTES + fits.data_bytes(dataset.full_train)
    each += fits.need_of(cell, spec, min(made.dataset.batch_size, len(dataset.train))).peak
    assert planned.memory_bytes(made.space.encode([cell])) == 2 * number * each


def test_gpus_of_different_kinds_are_told(loaded, gpus, monkeypatch):
    kinds = {"cuda:0": "Some GPU", "cuda:1": "Another GPU"}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda place: kinds[str(place)])
    gpus((8 * GIB, 8 * GIB), (8 * GIB, 8 * GIB))
    found = {}
    for timing in ("measured", "simulated"):
        made, _ = loaded(**TWO_GPUS, **{"others.timing": timing})
        found[timing] = fits._unequal(made)
    (warning,) = found["measured"]
    assert "Another GPU, Some GPU" in warning and "CUDA_VISIBLE_DEVICES" in warning
    assert found["simulated"] == []
    kinds["cuda:1"] = "Some GPU"
    assert fits._unequal(loaded(**TWO_GPUS, **{"others.timing": "measured"})[0]) == []


@pytest.mark.parametrize(
    ("generations", "is_mixed", "words"),
    [
        (((8, 0), (7, 0)), True, "in float32, as Another GPU has no units for bfloat16"),
        (((7, 0), (8, 0)), True, "in float16, as the first takes"),
        (((6, 1), (8, 0)), True, None),  # in float32 all the same
        (((8, 0), (7, 0)), False, None),
    ],
)
def test_what_unlike_gpus_compute_a_network_in_together_is_told(
    loaded, gpus, monkeypatch, generations, is_mixed, words
):
    kinds = {"cuda:0": "Some GPU", "cuda:1": "Another GPU"}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda place: kinds[str(place)])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda place: generations[place.index])
    monkeypatch.setattr(fits.kept, "of", lambda *_: None)  # not measured
    gpus((8 * GIB, 8 * GIB), (8 * GIB, 8 * GIB))
    made, dataset = loaded(**TWO_GPUS, **{"others.use_mixed_precision": is_mixed})
    told = fits.check_training(made, dataset, [_conv(made, dataset)], is_final=True, num_devices=2)
    found = [warning for warning in told if "of different kinds" in warning]
    assert len(found) == (words is not None) and all(str(words) in warning for warning in found)
    alone = fits.check_training(made, dataset, [_conv(made, dataset)], is_final=True)
    assert not any("of different kinds" in warning for warning in alone)


@pytest.mark.parametrize(("is_mixed", "fits_in_half"), [(False, False), (True, True)])
def test_what_numbers_of_two_bytes_would_hold_is_not_refused(
    loaded, gpus, monkeypatch, is_mixed, fits_in_half
):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    large = {"architecture_hyperparameters.filters": 32, "dataset.resize": {"width": 96, "height": 96}}
    made, dataset = loaded(
        **{"others.train_strategy": "GPU", "others.use_mixed_precision": is_mixed, **large}
    )
    memory = fits.need_of(*_conv(made, dataset), 32).memory
    room = fits.CONTEXT_BYTES + fits.data_bytes(dataset.full_train)
    room += memory.least(32, has_mixed_precision=True)
    assert memory.least(32, has_mixed_precision=True) < 0.7 * memory.least(32)
    gpus((room, room))
    with nullcontext() if fits_in_half else pytest.raises(UserError, match="not enough memory"):
        fits.check_memory(made, dataset, [_conv(made, dataset)])


def test_networks_that_devices_train_together_are_judged_by_their_part_of_a_batch(loaded, gpus):
    large = {"architecture_hyperparameters.filters": 32, "dataset.resize": {"width": 96, "height": 96}}
    made, dataset = loaded(**TWO_GPUS, **large, **{"dataset.batch_size": 90})
    network = _conv(made, dataset)
    part, whole = (fits.need_of(*network, size).memory.least(size) for size in (45, 90))
    memory = fits.CONTEXT_BYTES + fits.data_bytes(dataset.full_train) + (part + whole) // 2
    gpus((memory, memory), (memory, memory))
    fits.check_memory(made, dataset, [network], is_final=True, num_devices=2)
    with pytest.raises(UserError, match=r"at dataset.batch_size 90, and"):
        fits.check_memory(made, dataset, [network], is_final=True)
    gpus((memory - whole // 2, memory - whole // 2), (memory - whole // 2,) * 2)
    with pytest.raises(UserError, match=r"90 \(45 samples on each of 2 devices\)") as refusal:
        fits.check_memory(made, dataset, [network], is_final=True, num_devices=2)
    most = int(re.search(r"batch_size: (\d+) should fit", str(refusal.value)).group(1))
    smaller, _ = loaded(**TWO_GPUS, **large, **{"dataset.batch_size": most})
    fits.check_memory(smaller, dataset, [network], is_final=True, num_devices=2)
