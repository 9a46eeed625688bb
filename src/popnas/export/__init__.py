"""Networks as ONNX files that anybody can run: raw input inside, probabilities outside, checked before they
are called saved. `description` is what stands in the `model.json` of every stored model, its one writer and
its one reader; `stored` makes a network of it again; `deploy` writes a folder that runs elsewhere.

May import layers, operators, networks and datasets (for the numbers of preprocessing); not training or
workflows. The names here are resolved on first use, because the ONNX libraries take a second to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from popnas.lazy import attribute

if TYPE_CHECKING:
    from popnas.export.deployed import DeployedNetwork
    from popnas.export.onnx_file import OnnxCheck, save_onnx

_HOMES = {"DeployedNetwork": ".deployed", "OnnxCheck": ".onnx_file", "save_onnx": ".onnx_file"}

__all__ = ["DeployedNetwork", "OnnxCheck", "save_onnx"]


def __getattr__(name: str) -> Any:
    return attribute(__name__, _HOMES, name)
