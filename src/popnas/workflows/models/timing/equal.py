"""How many epochs the networks of a selection have where each is to be trained for equally long
(`others.selection_budget` "seconds").

A cheap network and a dear one that have as many epochs are compared at unequal costs: where time is what
limits a training, as in a whole job with a limit, the cheap one would have more epochs.
"""

from __future__ import annotations

from collections.abc import Sequence

from popnas.cells import Cell
from popnas.config import RunConfig, TrainingConfig, bounds
from popnas.datasets import Dataset
from popnas.networks.cost import network_cost
from popnas.networks.macros import MACROS
from popnas.networks.spec import NetworkSpec
from popnas.training import simulated
from popnas.workflows.models import requests
from popnas.workflows.models.timing import epoch_time

MOST_TIMES = 4.0
"""Nobody has more than so many times the epochs of the configuration, or fewer than that part of them: what
is hardly trained, or trained for far longer than its schedule was made for, tells little."""


def epochs_of_each(
    config: RunConfig, dataset: Dataset, networks: Sequence[tuple[Cell, NetworkSpec]]
) -> list[int]:
    """Epochs of each network: the first has those of the configuration, the others as many as take about as
    long, which a few steps of each tell. What is fitted at once has the configuration's, and so has what
    cannot be trained for these steps: its training will tell why."""
    epochs, (_, most) = config.training_hyperparameters.epochs, bounds(TrainingConfig, "epochs")
    each = [_seconds(config, dataset, *network) for network in networks]
    first = next((seconds for seconds in each if seconds is not None), 1.0)
    found = []
    for seconds in each:
        times = 1.0 if seconds is None else min(max(first / seconds, 1 / MOST_TIMES), MOST_TIMES)
        found.append(min(max(round(epochs * times), 1), most))
    return found


def _seconds(config: RunConfig, dataset: Dataset, cell: Cell, spec: NetworkSpec) -> float | None:
    """Of a training example; None of a network that has no epochs, or that cannot be trained."""
    if not MACROS.get(spec.macro).is_of_cells:
        return None
    if config.others.timing == "simulated":
        cost = network_cost(cell, spec.replace(is_post_search=True))
        return simulated.training_seconds(cost.flops, cost.params, 1)
    shape = spec.motifs, spec.normal_cells_per_motif, spec.filters, spec.macro
    return epoch_time.probed(requests.with_macro(config, *shape), dataset, cell)
