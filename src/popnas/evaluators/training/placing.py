"""Where a configuration trains its networks: the devices, how many workers at once, and each one's place."""

from __future__ import annotations

from pathlib import Path

import torch

from popnas import executors
from popnas.config import RunConfig, changed
from popnas.errors import UserError
from popnas.networks.spec import NetworkSpec
from popnas.placement import Placement
from popnas.training import device
from popnas.training.gpus import kept


def devices(config: RunConfig) -> tuple[str, ...]:
    """The names of this machine's devices.

    Raises:
        UserError: no such device.
    """
    _check_executor(config)
    return device.names(config.others.train_strategy)


def check_trains(config: RunConfig) -> None:
    """For a process that is going to train what the configuration has trained in it, before anything else is:
    raises UserError if it cannot."""
    if executors.REGISTRY.get(config.others.executor.kind).is_in_driver:
        device.check_trains(torch.device(devices(config)[0]))


def of_workers(config: RunConfig) -> tuple[str, ...]:
    """The names of the devices that the workers of the configuration's executor take in turn, on the machines
    where these are; a GPU that several workers share stands there as often.

    Raises:
        UserError: no such device.
    """
    _check_executor(config)
    settings, strategy = config.others.executor, config.others.train_strategy
    executor = executors.REGISTRY.get(settings.kind)
    # A cluster is not asked for what it would not be used for.
    found = device.names(strategy, None if strategy == "CPU" else executor.num_gpus())
    return found if found == (executors.CPU,) else found * (settings.workers_per_gpu or 1)


def _check_executor(config: RunConfig) -> None:
    """One process at a time holds a TPU, and this one trains there, too, when the search is over."""
    kind = config.others.executor.kind
    if config.others.train_strategy == "TPU" and not executors.REGISTRY.get(kind).is_in_driver:
        choices = [name for name in executors.REGISTRY.names() if executors.REGISTRY.get(name).is_in_driver]
        raise UserError(
            f"others.executor.kind: '{kind}' cannot be had with others.train_strategy 'TPU', as one process "
            f"at a time holds a TPU. Take {' or '.join(map(repr, choices))}."
        )


def num_workers(config: RunConfig) -> int:
    """How many networks the configuration's executor trains at once; of a search for which nobody has said
    how many share a GPU, at least so many (`packing`)."""
    settings = config.others.executor
    executor = executors.REGISTRY.get(settings.kind)
    return executor.workers_for(settings.workers, settings.threads, of_workers(config))


def placement(
    config: RunConfig, spec: NetworkSpec, device_name: str | None = None, run: Path | None = None
) -> Placement:
    """Where networks of `spec` compute: on the device that the worker is told, None: on the first of the
    configuration's. `run`: whose folder says what it began with (`gpus.kept`).
    """
    place = torch.device(device_name or devices(config)[0])
    facts = kept.of(place, run)
    make = Placement.on if facts is None else facts.placement
    mixed = config.others.use_mixed_precision
    return make(place, num_dims=spec.num_dims, filters=spec.filters, has_mixed_precision=mixed)


def for_answers(config: RunConfig, spec: NetworkSpec) -> Placement:
    """Where a finished network of `spec` answers: where it was trained, or on the best device here if this
    machine has no such one (runs are copied), or if that is a TPU, where each number of examples would be a
    program of its own."""
    if config.others.train_strategy not in device.available(torch.cuda.device_count()):
        config = changed(config, {"others.train_strategy": "auto"})
    return placement(config, spec)
