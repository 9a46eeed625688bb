"""What larger cells keep is known from a line through a few of them: it must come near all others."""

import numpy as np
import pytest

from popnas.cells import Cell, SearchSpace
from popnas.evaluators.training.wiring import reckoned
from popnas.networks.memory import training_memory
from popnas.networks.spec import NetworkSpec

SPACES = {
    "images": (
        SearchSpace(["identity", "2x2 maxpool", "3x3 conv"], 3, 2),
        NetworkSpec("classification", (8, 8, 1), 3, filters=4, motifs=2, normal_cells_per_motif=1),
    ),
    "series": (
        SearchSpace(["3 dconv", "2 maxpool", "lstm"], 3, 1),
        NetworkSpec("classification", (40, 1), 2, filters=4, motifs=2, normal_cells_per_motif=1),
    ),
}


@pytest.mark.parametrize("name", SPACES)
def test_cells_that_were_not_reckoned_keep_what_is_said(name):
    space, spec = SPACES[name]
    wiring = reckoned(space, spec, np.ones(space.lookback_depth + 1))
    cells_NB4 = space.random_cells(30, 3, np.random.default_rng(1))
    cells_NB4 = cells_NB4[(cells_NB4[:, :, 0::2] == -1).any(axis=(1, 2))][:6]
    empty = training_memory(Cell(), spec).saved_per_sample
    alone_N = wiring.kept[cells_NB4[:, :, 1::2]].sum(axis=(1, 2))
    real_N = [training_memory(cell, spec).saved_per_sample - empty for cell in space.decode(cells_NB4)]
    said_N = wiring.shares(cells_NB4) * alone_N
    assert np.median(np.abs(said_N / real_N - 1)) < 0.12
    assert abs(said_N.sum() / np.sum(real_N) - 1) < 0.1


def test_cells_of_one_block_cost_the_sum_of_their_operators():
    space, spec = SPACES["images"]
    wiring = reckoned(space, spec, np.ones(3))
    assert (wiring.shares(space.new_blocks(1)[:, None]) == 1).all()


def test_operators_that_keep_nothing_leave_the_sum_as_it_is():
    space = SearchSpace(["identity"], 2, 1)
    wiring = reckoned(space, NetworkSpec("classification", (8, 1), 2, filters=4, motifs=1), np.ones(2))
    cells_NB4 = space.random_cells(5, 2, np.random.default_rng(0))
    assert np.isfinite(wiring.shares(cells_NB4)).all() and (wiring.shares(cells_NB4) > 0).all()
