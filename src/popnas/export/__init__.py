"""Networks as ONNX files that anybody can run: raw input inside, probabilities outside, checked before they
are called saved.

May import layers, operators, networks and datasets (for the numbers of preprocessing); not training or
workflows. The names here are resolved on first use, because the ONNX libraries take a second to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from popnas.export.deployed import DeployedNetwork
    from popnas.export.onnx_file import OnnxCheck, save_onnx

_HOMES = {"DeployedNetwork": "deployed", "OnnxCheck": "onnx_file", "save_onnx": "onnx_file"}

__all__ = ["DeployedNetwork", "OnnxCheck", "save_onnx"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"popnas.export.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'popnas.export' has no attribute {name!r}")
