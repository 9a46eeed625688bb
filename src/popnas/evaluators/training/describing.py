"""What a trained model is, for its description on disk."""

from __future__ import annotations

from importlib import metadata

from popnas import tasks
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.export import making
from popnas.export.model_values import DataOfModel, ModelDescription, ModelInput, ModelOutput
from popnas.networks.cost import network_cost
from popnas.networks.spec import NetworkSpec

LICENCE_NOTE = (
    "popnas (Apache-2.0) lays no claim to the networks that it trains; the terms of the data set may bind "
    "what you do with this one."
)


def one_head(spec: NetworkSpec) -> NetworkSpec:
    """The network that is deployed and that `popnas describe` tells of: the last head only."""
    return spec.replace(is_post_search=False, multi_output=False)


def model_input(spec: NetworkSpec, config: RunConfig, dataset: Dataset) -> ModelInput:
    """What an exported network takes."""
    is_any_size = tasks.get(config.dataset.type).is_per_pixel
    size: tuple[str | int, ...] = ("height", "width") if is_any_size else spec.input_size
    given = ModelInput(shape=["batch", spec.input_channels, *size], has_lengths=spec.has_lengths)
    shape = None if is_any_size else spec.input_shape
    return making.told(given, dataset.origin, dataset.preprocessing, shape)


def describe_model(cell: Cell, spec: NetworkSpec, config: RunConfig, dataset: Dataset) -> ModelDescription:
    """What a model is, before its training is told of; params and FLOPs are those of `one_head`."""
    cost = network_cost(cell, one_head(spec))
    given = model_input(spec, config, dataset)
    pixels = given.shape[2:] if tasks.get(config.dataset.type).is_per_pixel else []
    return ModelDescription(
        cell=cell.key,
        network=spec,
        class_names=dataset.class_names,
        input=given,
        output=ModelOutput(shape=["batch", spec.num_classes, *pixels]),
        preprocessing=dataset.preprocessing,
        params=cost.params,
        flops=cost.flops,
        dataset=DataOfModel(name=config.dataset.name, path=config.dataset.path, type=config.dataset.type),
        licence=LICENCE_NOTE,
        versions={name: metadata.version(name) for name in ("popnas", "torch", "onnx")},
    )
