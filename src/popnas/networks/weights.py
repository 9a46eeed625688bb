"""Weights as safetensors files that know whether they are still what was written.

The format has no checksum of its own: a changed bit would be another network. The checksum of names, types,
shapes and values stands in the file's metadata, which other readers pass over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from popnas import files

_KEY = "sha256"


def to_bytes(state: Mapping[str, Tensor]) -> bytes:
    """The content of a weights file."""
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in state.items()}
    return save(tensors, metadata={_KEY: _digest(tensors)})


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, on the CPU. Files without a checksum are read as they are.

    Raises:
        OSError: the file cannot be read.
        SafetensorError: it is none, or was changed.
    """
    with files.open_binary(path) as file:
        return from_bytes(file.read())


def from_bytes(data: bytes) -> dict[str, Tensor]:
    """The tensors in the content of a weights file; raises SafetensorError."""
    tensors = load(data)
    known = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__") or {}
    if known and known.get(_KEY) != _digest(tensors):
        raise SafetensorError("it was changed or damaged: it does not have its checksum")
    return tensors


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}\x1f{tensor.dtype}\x1f{tuple(tensor.shape)}\x1e".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
