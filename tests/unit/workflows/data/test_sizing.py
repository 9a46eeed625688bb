"""What `popnas init` proposes for data of a size."""

import pytest

from popnas import tasks
from popnas.tasks.time_series_classification import kernels
from popnas.workflows.data import sizing


@pytest.mark.parametrize(
    ("size", "stem", "motifs"),
    [
        ((8, 8), None, 2),
        ((28, 28), None, 3),
        ((95, 60), None, 3),
        ((96, 20), "half", 2),
        ((224, 224), "half", 3),
    ],
)
def test_images_get_a_stem_where_they_are_large_and_reductions_where_there_is_room(size, stem, motifs):
    assert sizing.stem(size) == stem
    assert sizing.num_motifs(size) == motifs


@pytest.mark.parametrize(
    ("timesteps", "lengths"),
    [
        (5, (3, 3, 9)),
        (24, (3, 3, 9)),
        (60, (3, 7, 15)),
        (99, (5, 11, 23)),
        (156, (9, 19, 39)),
        (5000, (9, 19, 39)),
    ],
)
def test_kernels_of_series_grow_with_their_length_and_are_odd(timesteps, lengths):
    assert kernels(timesteps) == lengths
    operators = tasks.get("time_series_classification").operators_for((timesteps,))
    assert len(operators) == 13 == len({*operators}) or lengths[0] == lengths[1]
    assert f"{lengths[2]} conv" in operators


@pytest.mark.parametrize(
    ("validating", "folds"), [(1, 5), (10, 5), (24, 5), (30, 4), (59, 3), (60, 1), (999, 1)]
)
def test_several_folds_decide_where_few_examples_validate(validating, folds):
    assert sizing.folds(validating) == folds


@pytest.mark.parametrize(("timesteps", "motifs"), [(5, 1), (24, 2), (511, 2), (512, 3)])
def test_networks_of_long_series_have_more_reductions(timesteps, motifs):
    assert sizing.num_series_motifs(timesteps) == motifs


@pytest.mark.parametrize(
    ("training", "batch", "epochs"),
    [(20, 16, 60), (100, 16, 43), (319, 16, 21), (320, 32, 30), (5000, 128, 21)],
)
def test_small_data_get_small_batches_and_more_epochs(training, batch, epochs):
    assert sizing.series_batch(training) == batch
    assert sizing.series_epochs(training) == epochs


def test_no_operator_is_proposed_twice_for_short_series():
    for timesteps in range(1, 200):
        operators = tasks.get("time_series_classification").operators_for((timesteps,))
        assert len(set(operators)) == len(operators), timesteps
