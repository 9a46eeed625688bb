"""Networks as ONNX files that anybody can run: raw input inside, probabilities outside, checked before they
are called saved. A stored model is one value (`model_values.ModelDescription`), and `description` its one
writer and its one reader (`model.json`); `stored` makes a network of it again; `deploy` writes a folder that
runs elsewhere. Of a network that answers all this knows its contract (`networks.spec.Contract`); only
`source` and `stored` know what one is made of.

May import layers, operators, networks and datasets (for the numbers of preprocessing); not training or
workflows. The names here are resolved on first use, because the ONNX libraries take a second to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from popnas.lazy import attribute

if TYPE_CHECKING:
    from popnas.export.deployed import DeployedNetwork
    from popnas.export.model_values import ModelDescription, OnnxCheck
    from popnas.export.onnx_file import save_onnx

_HOMES = {
    "DeployedNetwork": ".deployed",
    "ModelDescription": ".model_values",
    "OnnxCheck": ".model_values",
    "save_onnx": ".onnx_file",
}

__all__ = ["DeployedNetwork", "ModelDescription", "OnnxCheck", "save_onnx"]


def __getattr__(name: str) -> Any:
    return attribute(__name__, _HOMES, name)
