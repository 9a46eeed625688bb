"""Whether networks are compiled (`torch.compile`) where that is asked for (`others.enable_XLA_compilation`):
where a training takes long enough for what it saves.

Decided from configuration, data and what is kept of the kind of device: alike for all candidates of a
search, whose times are compared, and the same in every process and when a training goes on. Compiling is no
part of any training time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from popnas.cells import Block, Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.networks.cost import network_cost
from popnas.networks.spec import NetworkSpec
from popnas.placement import Placement
from popnas.report.markup import duration
from popnas.training import TrainingSettings

PAYS_FROM_SECONDS = 600.0
"""Of a training's expected seconds: compiling takes about a minute, a tenth of ten. How much it saves is not
known beforehand, and was not measured on a GPU."""
SLOWER_ON = frozenset({"cpu"})
"""Kinds of devices: a step took 1.5 times as long compiled there (24 filters, images of 32x32, one thread;
docs/log.md)."""
_FLOPS_PER_SECOND = 2.5e11
"""Of the forward pass, in training, of a GPU that was not measured: an order of magnitude."""
_FIELD = "others.enable_XLA_compilation"


@dataclass(frozen=True)
class Compiling:
    """Whether networks are compiled, and (a sentence) why not, though it was asked for."""

    is_on: bool = False
    why_not: str | None = None


def of_candidates(config: RunConfig, dataset: Dataset, spec: NetworkSpec, place: Placement) -> Compiling:
    """For the candidates of a search: the dearest cell of a single operator stands for all."""
    if not config.others.enable_XLA_compilation:
        return Compiling()
    cells = [Cell((Block(-1, name, -1, name),)) for name in config.space.operators]
    dearest = max(cells, key=lambda cell: network_cost(cell, spec).flops)
    place = replace(place, flops_per_second=None)  # alike on all kinds of devices that a cluster has
    return of_network(config, dearest, spec, place, len(dataset.train))


def of_network(
    config: RunConfig,
    cell: Cell,
    spec: NetworkSpec,
    place: Placement,
    num_examples: int,
    *,
    num_devices: int = 1,
) -> Compiling:
    """For the training of one network on so many examples, by so many devices together."""
    if not config.others.enable_XLA_compilation:
        return Compiling()
    if place.device.type == "xla":
        return Compiling(why_not=f"{_FIELD}: has no effect: a TPU computes nothing but compiled programs.")
    if place.device.type in SLOWER_ON:
        # Where the device is named, the configuration's own check says it.
        told = f"{_FIELD}: not compiled: on a CPU a compiled network trains slower."
        return Compiling(why_not=None if config.others.train_strategy == "CPU" else told)
    if num_devices > 1:
        # Layers that look at the whole batch exchange messages within a pass; that was never compiled.
        return Compiling(why_not=f"{_FIELD}: not compiled: {num_devices} devices train the network together.")
    epochs = config.training_hyperparameters.epochs
    flops = epochs * num_examples * network_cost(cell, spec).flops
    seconds = flops / (place.flops_per_second or _FLOPS_PER_SECOND)
    if seconds >= PAYS_FROM_SECONDS:
        return Compiling(is_on=True)
    return Compiling(
        why_not=f"{_FIELD}: not compiled: a training takes roughly {duration(seconds)} here, and compiling, "
        f"of about a minute per network, pays from about {duration(PAYS_FROM_SECONDS)} on."
    )


def settings(config: RunConfig, compiling: Compiling) -> TrainingSettings:
    """The configuration's, compiled or not."""
    return TrainingSettings.from_config(config).replace(is_compiled=compiling.is_on)


def told(found: Sequence[Compiling]) -> list[str]:
    """Why of several networks some are not compiled: the first reason stands for all."""
    return [each.why_not for each in found if each.why_not is not None][:1]
