"""The best cell's network as files that others can use: ONNX, weights and what they are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from popnas import networks, tasks
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.errors import ExportError, RunFolderError
from popnas.evaluation import CandidateJob, Evaluation
from popnas.executors import Executor, Job
from popnas.export import description
from popnas.networks.spec import NetworkSpec
from popnas.report.views import Views
from popnas.runs import RunFolder, RunState, identity
from popnas.storage import write_bytes
from popnas.workflows.models.files import model_json
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.searching import candidate_files
from popnas.workflows.searching.progress import Listener


def write(
    folder: RunFolder,
    state: RunState,
    config: RunConfig,
    spec: NetworkSpec,
    dataset: Dataset,
    executor: Executor,
    listener: Listener,
) -> None:
    """Write `best_model/`: `model.onnx`, `weights.safetensors`, `model.json`, of a segmentation network a
    page of predicted validation masks. Nothing is written before a cell is trained.

    Raises:
        ExportError: the weights are gone and training them again failed.
        StorageError: the disk refused.
    """
    best = state.best
    if best is None:
        return
    listener.phase("exporting the best model")
    path = candidate_files.weights_path(folder.path, best.cell)
    network = networks.build(Cell.parse(best.cell), spec)
    if not _load(network, path):
        listener.message("The weights kept of the best cell are gone or damaged: it is trained again.")
        _train_again(best, executor)
        if not _load(network, path):
            raise ExportError(f"the weights of the best cell {best.cell} cannot be read from {path}")
    network.eval()
    write_bytes(folder.best_model / "weights.safetensors", path.read_bytes())
    # Only now: importing the ONNX libraries takes seconds that a resumed run need not spend.
    from popnas import export

    try:
        checked: dict[str, Any] | None = asdict(
            export.save_onnx(network, dataset.preprocessing, folder.best_model / "model.onnx")
        )
    except ExportError as error:
        checked = None
        listener.message(f"Warning: the best model was not exported as ONNX: {error}. Its weights are saved.")
    description.write(
        folder.best_model,
        _model_json(best, config, spec, dataset, checked) | {identity.KEY: identity.of(folder.path)},
    )
    if tasks.get(config.dataset.type).is_per_pixel:
        # Only now, as above: it imports the figures of evaluation.
        from popnas.workflows.models import predicted_masks

        with Views(listener.message).view("the page of predicted validation masks"):
            predicted_masks.write_sample(ModelFolder(folder.best_model), network, dataset)


def _load(network: networks.Network, path: Path) -> bool:
    """Whether `path` holds the network's weights; somebody may have removed or damaged them."""
    try:
        identity.check_place(path)
        network.load_state_dict(candidate_files.load_weights(path))
    except (OSError, RunFolderError, SafetensorError, RuntimeError):
        return False
    return True


def _train_again(best: Evaluation, executor: Executor) -> None:
    """Training repeats lost weights exactly."""
    job = CandidateJob(best.cell, best.step, best.index, best.seed)
    for result in executor.run([Job("best", job.to_json())]):
        if result.error is not None:
            raise ExportError(
                f"the weights of the best cell {best.cell} are lost, and training it again failed: "
                f"{result.error}"
            )


def _model_json(
    best: Evaluation, config: RunConfig, spec: NetworkSpec, dataset: Dataset, checked: dict[str, Any] | None
) -> dict[str, Any]:
    return model_json(Cell.parse(best.cell), spec, config, dataset) | {
        "stage": "search",
        "validation_metrics": best.metrics,
        "score": best.score,
        "seed": best.seed,
        "onnx": checked,
    }
