"""The files of a model's folder beside weights, logs and `model.json`: its ONNX, its confusion matrix."""

from __future__ import annotations

from pathlib import Path

import torch

from popnas import networks
from popnas.datasets.loader import BatchLoader
from popnas.datasets.preprocessing import Preprocessing
from popnas.export.model_values import OnnxCheck
from popnas.networks.answering import Answering
from popnas.placement import Placement
from popnas.report.views import Views
from popnas.workflows.models.answers.tally import Confusion


def export_onnx(network: Answering, preprocessing: Preprocessing, path: Path) -> OnnxCheck:
    """Write the network as ONNX and return what was checked; raises ExportError."""
    # The ONNX libraries take seconds to import: not for those who only read a model's folder.
    from popnas import export

    return export.save_onnx(network, preprocessing, path)


@torch.inference_mode()
def confusion(
    network: networks.Network,
    loader: BatchLoader,
    num_classes: int,
    placement: Placement,
) -> list[list[int]]:
    """Number of samples (segmentation: pixels) by true class (rows) and predicted class, of the main head.

    In float32, as the deployed network answers.
    """
    network.to(placement.device).eval()
    counted = Confusion(num_classes)
    for batch in loader:
        logits = network(placement.laid_out(batch.x), batch.lengths)[-1]
        counted.update(logits.argmax(dim=1).cpu().numpy(), batch.y.cpu().numpy())
    found: list[list[int]] = counted.counts_KK.tolist()
    return found


def write_confusion(folder: Path, counts: list[list[int]], class_names: list[str], views: Views) -> None:
    """The matrix of validation data, plain and normalised, as PNG and CSV."""
    from popnas.report.confusion import write

    write(folder, "confusion_matrix", counts, class_names, views)
