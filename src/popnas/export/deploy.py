"""The deployment folder: everything that another machine needs to run a trained network, with numpy and
onnxruntime only.

`model.onnx` (checked against PyTorch), `model.int8.onnx` (where it keeps the accuracy and is
smaller or faster),
`weights.safetensors`, `model.json` and `README.md`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from popnas.datasets import Split
from popnas.errors import StorageError
from popnas.export import description
from popnas.export.folder_readme import readme
from popnas.export.int8 import write_int8
from popnas.export.model_values import Deployment, MeasuredFile, ModelDescription, OnnxCheck, Outcome
from popnas.export.onnx_file import save_onnx
from popnas.networks import weights
from popnas.networks.answering import Answering
from popnas.networks.spec import Contract
from popnas.storage import TEMPORARY_SUFFIX, check_replaceable, storage_errors, write_bytes, write_text

ONNX, INT8, WEIGHTS, README = "model.onnx", "model.int8.onnx", "weights.safetensors", "README.md"
_UNFINISHED = ".popnas-export-"


def write_deployment(
    network: Answering,
    model: ModelDescription,
    folder: Path,
    *,
    calibration: Split,
    judged_on: Split,
    judged_name: str,
) -> ModelDescription:
    """Write the deployment folder of a trained network; returns its description.

    `model` is what is known of the network; `calibration`: raw training samples; `judged_on`: raw samples on
    which the exported files are judged by ONNX Runtime, `judged_name` says which they are ("test", or another
    split where there is no test data). Repeated, it gives the same files, times (in `int8.times`) apart.

    All is made in a hidden folder inside and moved to its place at the end: a process that is killed leaves
    no file that could be anybody's, and what an earlier export wrote is whole until then.

    Raises:
        ExportError: no ONNX file reproduces the network; the folder is as it was.
        StorageError: a file cannot be written.
    """
    assert model.preprocessing is not None and model.input is not None, "the model says how inputs are made"
    with _moved_whole(folder) as part:
        check = save_onnx(network, model.preprocessing, part / ONNX)
        int8 = write_int8(part / ONNX, part / INT8, calibration, judged_on, network.no_int8)
        write_bytes(part / WEIGHTS, weights.to_bytes(network.state_dict()))
        measured = MeasuredFile(
            ONNX, judged_name, int8.num_samples, int8.fp32_accuracy, int8.fp32_bytes, int8.fp32_metrics
        )
        model = replace(
            model,
            input=replace(model.input, shape=_input_shape(network.contract, check)),
            outcome=replace(model.outcome or Outcome(), onnx=check),
            deployment=Deployment(measured, int8.summary(INT8)),
            versions={**model.versions, "onnxruntime": metadata.version("onnxruntime")},
        )
        write_text(part / README, readme(model))
        return description.write(part, model)


@contextmanager
def _moved_whole(folder: Path) -> Iterator[Path]:
    """A hidden folder inside, of which all is moved to its place once the block is through."""
    for name in description.DEPLOYED:
        check_replaceable(folder / name)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(folder)
        with tempfile.TemporaryDirectory(TEMPORARY_SUFFIX, _UNFINISHED, folder) as place:
            part = Path(place)
            try:
                yield part
            except StorageError as error:  # the user knows nothing of the hidden folder
                words = str(error).replace(f"{part.name}/", "")
                raise StorageError(words, is_wrong_place=error.exit_status == 2) from error
            _move(part, folder)


def _move(part: Path, folder: Path) -> None:
    """What was made, to its place. The description goes first: beside it whatever is not moved yet does not
    have its checksum, so that it is refused, and a repeated export knows the folder."""
    for name in description.DEPLOYED:
        if (part / name).exists():
            os.replace(part / name, folder / name)  # noqa: PTH105 - both names in one call show the step
        else:
            (folder / name).unlink(missing_ok=True)


def _remove_unfinished(folder: Path) -> None:
    """What killed exports left in a folder, and nothing else."""
    for path in folder.glob(f"{_UNFINISHED}*{TEMPORARY_SUFFIX}"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def _input_shape(contract: Contract, check: OnnxCheck) -> list[str | int]:
    size = contract.size_names if check.has_dynamic_size else contract.size
    return ["batch", contract.num_channels, *size]
