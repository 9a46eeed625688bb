"""What a trained model is, for its `model.json`."""

from __future__ import annotations

from dataclasses import asdict
from importlib import metadata
from typing import Any

from popnas import tasks
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.export import making
from popnas.networks.cost import network_cost
from popnas.networks.spec import NetworkSpec

LICENCE_NOTE = (
    "popnas (Apache-2.0) lays no claim to the networks that it trains; the terms of the data set may bind "
    "what you do with this one."
)


def one_head(spec: NetworkSpec) -> NetworkSpec:
    """The network that is deployed and that `popnas describe` tells of: the last head only."""
    return spec.replace(is_post_search=False, multi_output=False)


def io_contract(spec: NetworkSpec, config: RunConfig, dataset: Dataset) -> dict[str, Any]:
    """What an exported network takes and gives."""
    is_per_pixel = tasks.get(config.dataset.type).is_per_pixel
    size: list[Any] = ["height", "width"] if is_per_pixel else list(spec.input_size)
    return {
        "input": {
            "name": "input",
            "dtype": "float32",
            "shape": ["batch", spec.input_channels, *size],
            "has_lengths": spec.has_lengths,
            **making.described(
                dataset.origin, dataset.preprocessing, None if is_per_pixel else spec.input_shape
            ),
        },
        "output": {
            "name": "probabilities",
            "shape": ["batch", spec.num_classes, *(size if is_per_pixel else [])],
        },
    }


def model_json(cell: Cell, spec: NetworkSpec, config: RunConfig, dataset: Dataset) -> dict[str, Any]:
    """What a model is, before its training is told of; params and FLOPs are those of `one_head`."""
    cost = network_cost(cell, one_head(spec))
    return {
        "cell": cell.key,
        "network": asdict(spec),
        **io_contract(spec, config, dataset),
        "preprocessing": dataset.preprocessing.to_json(),
        "class_names": dataset.class_names,
        "params": cost.params,
        "flops": cost.flops,
        "dataset": {"name": config.dataset.name, "path": config.dataset.path, "type": config.dataset.type},
        "licence": LICENCE_NOTE,
        "versions": {name: metadata.version(name) for name in ("popnas", "torch", "onnx")},
    }
