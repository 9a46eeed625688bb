"""Where a configuration trains its networks: the devices, how many workers at once, and each one's place."""

from __future__ import annotations

from pathlib import Path

import torch

from popnas import executors
from popnas.config import RunConfig
from popnas.networks.spec import NetworkSpec
from popnas.placement import Placement
from popnas.training import device
from popnas.training.gpus import kept


def devices(config: RunConfig) -> tuple[str, ...]:
    """The names of this machine's devices.

    Raises:
        UserError: no such device.
    """
    return device.names(config.others.train_strategy)


def of_workers(config: RunConfig) -> tuple[str, ...]:
    """The names of the devices that the workers of the configuration's executor take in turn, on the machines
    where these are; a GPU that several workers share stands there as often.

    Raises:
        UserError: no such device.
    """
    settings, strategy = config.others.executor, config.others.train_strategy
    executor = executors.REGISTRY.get(settings.kind)
    # A cluster is not asked for what it would not be used for.
    found = device.names(strategy, None if strategy == "CPU" else executor.num_gpus())
    return found if found == (executors.CPU,) else found * (settings.workers_per_gpu or 1)


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
