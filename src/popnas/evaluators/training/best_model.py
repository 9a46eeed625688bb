"""The best cell's network as files that others can use: ONNX, weights and what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError

from popnas import networks
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.errors import ExportError, RunFolderError
from popnas.evaluators._base import BestModel
from popnas.evaluators.training import candidate_files
from popnas.evaluators.training.describing import describe_model
from popnas.events import Listen, Told, Warned
from popnas.export import description
from popnas.export.model_values import OnnxCheck, Outcome
from popnas.networks.spec import NetworkSpec
from popnas.printable import quoted
from popnas.process_state import torch_random_in_turn
from popnas.runs import identity
from popnas.storage import write_bytes

_NONE_KEPT = "No weights of the best cell are kept"


def write(model: BestModel, config: RunConfig, spec: NetworkSpec, dataset: Dataset, tell: Listen) -> None:
    """Write `model.onnx`, `weights.safetensors` and, last, `model.json`.

    Raises:
        ExportError: the weights are gone and training them again failed.
        StorageError: the disk refused.
    """
    best, path = model.best, model.weights
    with torch_random_in_turn():  # weights are drawn, though others take their place
        network = networks.build(Cell.parse(best.cell), spec)
    if not _load(network, path):
        # None are there when repeated trainings made another cell win than the one that led until then.
        lack = "The weights kept of the best cell are damaged" if path.exists() else _NONE_KEPT
        tell(Told(f"{lack}: it is trained again."))
        model.evaluate_again()  # training repeats lost weights exactly
        if not _load(network, path):
            raise ExportError(f"the weights of the best cell {best.cell} cannot be read from {quoted(path)}")
    network.eval()
    write_bytes(model.folder / "weights.safetensors", path.read_bytes())
    # Only now: importing the ONNX libraries takes seconds that a resumed run need not spend.
    from popnas import export

    try:
        checked: OnnxCheck | None = export.save_onnx(
            network, dataset.preprocessing, model.folder / "model.onnx"
        )
    except ExportError as error:
        checked = None
        tell(Warned(f"the best model was not exported as ONNX: {error}. Its weights are saved."))
    described = replace(
        describe_model(Cell.parse(best.cell), spec, config, dataset),
        run=model.run,
        stage="search",
        validation_metrics=best.metrics,
        outcome=Outcome(best.score, best.seed, checked),
    )
    description.write(model.folder, described)


def _load(network: networks.Network, path: Path) -> bool:
    """Whether `path` holds the network's weights; somebody may have removed or damaged them."""
    try:
        identity.check_place(path)
        network.load_state_dict(candidate_files.load_weights(path))
    except (OSError, RunFolderError, SafetensorError, RuntimeError):
        return False
    return True
