"""A stored network built again: from its description and the content of its weights file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError

from popnas import networks
from popnas.cells import Cell
from popnas.errors import PopnasError, RunFolderError
from popnas.export import description
from popnas.export.model_values import ModelDescription
from popnas.networks import Network, weights
from popnas.networks.network import Ensemble
from popnas.printable import quoted
from popnas.process_state import torch_random_in_turn


def network_of(model: ModelDescription, path: Path, data: bytes) -> Network | Ensemble:
    """The network, or all of an ensemble, on the CPU, in eval mode. `data`: the content of the weights file
    `path`, which is for messages.

    Raises:
        RunFolderError: the weights are damaged, another model's, or do not fit the network.
    """
    description.check_file(model, path, data)
    try:
        tensors = weights.from_bytes(data)
        # On no device first: a description that asks for more than any memory holds must not get it.
        with torch.device("meta"):
            wanted = _forms(_built(model).state_dict())
        if (found := _forms(tensors)) != wanted:
            raise RunFolderError(_misfit(path, wanted, found))
        with torch_random_in_turn():  # weights are drawn, though others take their place
            network = _built(model)
        network.load_state_dict(tensors)
    except PopnasError as error:
        if isinstance(error, RunFolderError):
            raise
        raise RunFolderError(
            f"{quoted(path.with_name(description.NAME))} tells of no network of this popnas: {error}"
        ) from error
    except (SafetensorError, RuntimeError, ValueError, TypeError, AssertionError, OverflowError) as error:
        raise RunFolderError(
            f"{quoted(path)} does not hold the weights of the network in {description.NAME} beside it: "
            f"{(str(error) or type(error).__name__).splitlines()[0]}. {description.REMEDY}"
        ) from error
    return network.eval()


def _built(model: ModelDescription) -> Network | Ensemble:
    if model.members is None:
        return networks.build(Cell.parse(model.cell), model.network)
    return Ensemble([networks.build(Cell.parse(item.cell), item.network) for item in model.members])


def _forms(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    return {
        name: f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
        for name, tensor in tensors.items()
    }


def _misfit(path: Path, wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    name = min(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    have, want = found.get(name, "no place"), wanted.get(name, "no place")
    return (
        f"{quoted(path)} does not hold the weights of the network in {description.NAME} beside it: '{name}' "
        f"is {have} there and {want} in the network. {description.REMEDY}"
    )
