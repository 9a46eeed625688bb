"""The deployment folder: everything that another machine needs to run a trained network, with numpy and
onnxruntime only.

`model.onnx` (checked against PyTorch), `model.int8.onnx` (where it keeps the accuracy and is
smaller or faster),
`weights.safetensors`, `model.json` and `README.md`.
"""

from __future__ import annotations

from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from popnas.datasets import Split
from popnas.datasets.preprocessing import Preprocessing
from popnas.export import description
from popnas.export.folder_readme import readme
from popnas.export.int8 import Int8Report, write_int8
from popnas.export.onnx_file import save_onnx
from popnas.networks import Network, weights
from popnas.storage import plain, storage_errors, write_bytes, write_text

ONNX, INT8, WEIGHTS, README = "model.onnx", "model.int8.onnx", "weights.safetensors", "README.md"


def write_deployment(
    network: Network,
    preprocessing: Preprocessing,
    model: dict[str, Any],
    folder: Path,
    *,
    calibration: Split,
    judged_on: Split,
    judged_name: str,
) -> dict[str, Any]:
    """Write the deployment folder of a trained network; returns the content of its `model.json`.

    `model` is what is known of the network (cell, input contract, class names, figures...); `calibration`:
    raw training samples; `judged_on`: raw samples on which the exported files are judged by ONNX Runtime,
    `judged_name` says which they are ("test", or another split where there is no test data). Repeated, it
    gives the same files, times (in `int8.times`) apart.

    Raises:
        ExportError: no ONNX file reproduces the network; the folder has no `model.onnx` then.
        StorageError: a file cannot be written.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / description.NAME).unlink(missing_ok=True)  # what has none is not whole
    check = save_onnx(network, preprocessing, folder / ONNX)
    int8 = write_int8(folder / ONNX, folder / INT8, calibration, judged_on)
    write_bytes(folder / WEIGHTS, weights.to_bytes(network.state_dict()))
    content: dict[str, Any] = plain(
        {
            **model,
            # Without the place of the data: it is this machine's, and the folder goes elsewhere.
            "dataset": {name: value for name, value in model["dataset"].items() if name != "path"},
            "input": model["input"] | {"shape": _input_shape(network, check.has_dynamic_size)},
            "preprocessing": preprocessing.to_json(),
            "onnx": asdict(check),
            "measured": {"file": ONNX, "split": judged_name, **_measured(int8)},
            "int8": _int8_json(int8),
            "versions": model.get("versions", {}) | {"onnxruntime": metadata.version("onnxruntime")},
        }
    )
    write_text(folder / README, readme(content))
    description.write(folder, content)
    return content


def _input_shape(network: Network, has_dynamic_size: bool) -> list[str | int]:
    size: list[str | int] = list(network.spec.input_size)
    if has_dynamic_size:
        size = ["timesteps"] if len(size) == 1 else ["height", "width"]
    return ["batch", network.spec.input_channels, *size]


def _measured(int8: Int8Report) -> dict[str, Any]:
    return {"num_samples": int8.num_samples, "accuracy": int8.fp32_accuracy, "bytes": int8.fp32_bytes}


def _int8_json(int8: Int8Report) -> dict[str, Any]:
    content = asdict(int8) | {"accuracy_loss": int8.accuracy_loss, "file": INT8 if int8.is_kept else None}
    times = {
        "batch_size": content.pop("batch_size"),
        "fp32_milliseconds": content.pop("fp32_milliseconds"),
        "int8_milliseconds": content.pop("milliseconds"),
    }
    return {name: content[name] for name in content if not name.startswith("fp32")} | {"times": times}
