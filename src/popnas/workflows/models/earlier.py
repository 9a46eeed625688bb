"""Room for a final training anew: the one that stands there becomes a named one beside it."""

from __future__ import annotations

import itertools
from pathlib import Path

from popnas.workflows.models.folder import ModelFolder

_OWN = (
    "model.json",  # first: what has none is not finished
    "config.json",
    "weights.safetensors",
    "model.onnx",
    "training.json",
    "checkpoint.pt",
    "tensorboard",
    "deploy",
    "network.py",
    "ensemble.json",
    "member-*",
    "eval.*",
    "*confusion_matrix*",
    "masks.*",
)


def put_aside(folder: Path) -> Path | None:
    """Move a training's own files to `earlier-1` (or -2, ...) inside its folder, which is a model's folder
    like any other; returns where they are, None if there were none. Files of others stay."""
    found = [path for pattern in _OWN for path in sorted(folder.glob(pattern))]
    if not found:
        return None
    aside = next(path for number in itertools.count(1) if not (path := folder / f"earlier-{number}").exists())
    aside.mkdir()
    # The configuration goes last: without it the old folder would not say whose checkpoint it holds.
    for path in sorted(found, key=lambda path: path == ModelFolder(folder).config_json):
        path.rename(aside / path.name)
    return aside
