"""Memory of a training, reckoned without any; `benchmarks/bench_memory.py` compares it with real peaks."""

import pytest

from popnas.cells import Cell
from popnas.networks import memory
from popnas.networks.building import build
from popnas.networks.memory import training_memory
from popnas.networks.spec import NetworkSpec

IMAGES = NetworkSpec("classification", (16, 16, 3), 10, filters=8)
SERIES = NetworkSpec("classification", (64, 2), 3, filters=8)
CONV = Cell.parse("[(-1, 3x3 conv, -1, 3x3 conv)]")


def test_weights_are_those_of_the_network():
    found = training_memory(CONV, IMAGES)
    assert found.weights == 4 * sum(weight.numel() for weight in build(CONV, IMAGES).parameters())


def test_what_a_convolution_keeps():
    spec = IMAGES.replace(motifs=1, normal_cells_per_motif=1, residual_cells=False)
    spec = spec.replace(activation="relu")
    # Of one cell: input (3 channels), and for each of two branches the convolution's output and, once more,
    # that of the activation (relu keeps its own); the head's average and the logits are small.
    maps = 16 * 16 * 4
    kept = (3 + 2 * 2 * 8) * maps
    assert kept <= training_memory(CONV, spec).saved_per_sample <= 1.1 * kept


@pytest.mark.parametrize("change", [{"filters": 16}, {"input_shape": (32, 16, 3)}])
def test_twice_as_much_is_kept_of_twice_as_much(change):
    small = training_memory(CONV, IMAGES).saved_per_sample
    assert training_memory(CONV, IMAGES.replace(**change)).saved_per_sample == pytest.approx(
        2 * small, rel=0.1
    )


@pytest.mark.parametrize("cell", ["[(-1, 3x3 conv, -1, identity)]", "[(-2, 3x3 conv, -2, identity)]"])
@pytest.mark.parametrize("number", [9, 10])
def test_many_cells_are_reckoned_from_few(cell, number):
    spec = IMAGES.replace(normal_cells_per_motif=number)
    assert training_memory(Cell.parse(cell), spec) == memory._traced(Cell.parse(cell), spec)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_recurrence_keeps_its_gates_for_every_timestep_and_is_not_run(kind):
    cell = Cell.parse(f"[(-1, {kind}, -1, {kind})]")
    plain = training_memory(Cell.parse("[(-1, identity, -1, identity)]"), SERIES)
    found = training_memory(cell, SERIES)
    assert found.saved_per_sample > 2 * plain.saved_per_sample
    long = training_memory(
        cell, SERIES.replace(input_shape=(100_000, 2))
    )  # run step by step it takes minutes
    assert long.saved_per_sample == pytest.approx(found.saved_per_sample * 100_000 / 64, rel=0.05)


@pytest.mark.parametrize("macro", ["segmentation_fixed", "segmentation_cells"])
@pytest.mark.parametrize("cell", ["[]", "[(-1, 3x3 conv, -1, identity)]"])
def test_segmentation_networks_and_empty_cells(macro, cell):
    found = training_memory(Cell.parse(cell), NetworkSpec(macro, (32, 32, 3), 5, filters=8))
    assert found.weights > 0
    assert found.saved_per_sample > found.largest_per_sample > 0


def test_series_with_lengths():
    cell = Cell.parse("[(-1, 7 conv, -1, lstm)]")
    assert training_memory(cell, SERIES.replace(has_lengths=True)).saved_per_sample > 0


@pytest.mark.parametrize("change", [{"filters": 2**31}, {"motifs": 60}, {"motifs": 2**31}])
def test_what_no_number_of_bytes_holds(change):
    with pytest.raises(OverflowError):
        training_memory(CONV, IMAGES.replace(**change))


def test_peak_least_and_the_largest_batch_agree():
    found = training_memory(CONV, IMAGES)
    assert found.least(64) < found.peak(64) == found.fixed + 64 * found.per_sample
    assert found.largest_batch(found.peak(64)) == 64
    assert found.largest_batch(0) == 0
