"""Models that were never trained: enough to predict with, made in a moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from popnas import networks
from popnas.cells import Cell
from popnas.datasets import Preprocessing
from popnas.export import save_onnx
from popnas.networks.spec import NetworkSpec


@pytest.fixture(scope="module", autouse=True)
def without_views() -> Iterator[None]:
    """Searches write no tables and no report here: nothing looks at them, and figures take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("popnas.workflows.searching.finish.views", lambda *arguments: None)
        yield


@pytest.fixture
def make_model(tmp_path) -> Callable[..., Path]:
    """A model's folder: ONNX, weights and `model.json`."""

    def make(
        input_shape: tuple[int, ...],
        class_names: list[str],
        *,
        name: str = "model",
        has_lengths: bool = False,
        macro: str = "classification",
    ) -> Path:
        torch.manual_seed(0)
        spec = NetworkSpec(
            macro, input_shape, len(class_names), filters=4, motifs=2, normal_cells_per_motif=1,
            has_lengths=has_lengths,
        )  # fmt: skip
        operator = "3x3 conv" if len(input_shape) == 3 else "5 conv"
        network = networks.build(Cell.parse(f"[(-1, {operator}, -2, identity)]"), spec)
        channels = input_shape[-1]
        preprocessing = (
            Preprocessing.of_images(channels)
            if len(input_shape) == 3
            else Preprocessing((0.5,) * channels, (2.0,) * channels, has_lengths)
        )
        folder = tmp_path / name
        folder.mkdir()
        save_onnx(network, preprocessing, folder / "model.onnx")
        save_file(network.state_dict(), folder / "weights.safetensors")
        content: dict[str, Any] = {
            "cell": str(network.cell),
            "network": asdict(spec),
            "class_names": class_names,
            "preprocessing": preprocessing.to_json(),
        }
        (folder / "model.json").write_text(json.dumps(content))
        return folder

    return make
