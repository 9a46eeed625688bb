"""The small files that a candidate leaves: TensorBoard log, epochs, summary, partitions, and what
was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from popnas import networks
from popnas.errors import ExportError
from popnas.evaluation import CandidateJob
from popnas.evaluators.training.context import CandidateContext
from popnas.evaluators.training.describing import describe_model
from popnas.export import description
from popnas.networks import weights
from popnas.networks.cost import partitions
from popnas.printable import quoted
from popnas.report.views import Views
from popnas.runs import artifacts
from popnas.runs.artifacts import Artifacts
from popnas.storage import write_bytes, write_table, write_text
from popnas.trackers import EPOCHS_FILE, Scope, Trackers, epoch_figures, epoch_table, local
from popnas.training import TrainingResult


def save_weights(files: Artifacts, cell: str, state: dict[str, torch.Tensor]) -> None:
    """Keep a network's weights, whole or not at all.

    Raises:
        StorageError: the disk refused.
    """
    _write_tensors(files.place(artifacts.of_weights(cell)), state)


def _write_tensors(path: Path, state: dict[str, torch.Tensor]) -> None:
    write_bytes(path, weights.to_bytes(state))


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weights file, on the CPU."""
    return weights.read(path)


def write(
    context: CandidateContext,
    job: CandidateJob,
    network: networks.Network,
    folds: list[TrainingResult],
    folder: Path,
) -> list[str]:
    """Write the candidate's files into `folder`; folds are told apart by their numbers.

    Returns sentences about the views of it that could not be made.

    Raises:
        StorageError: the disk refused weights or ONNX file that were asked for.
    """
    views = Views()
    for number, result in enumerate(folds):
        scope = Scope("training", folder, f"fold_{number}" if len(folds) > 1 else "")
        with Trackers(local(context.config.others.trackers), scope) as trackers:
            trackers.params({"cell": job.cell, "seed": job.seed, "step": job.step, "index": job.index})
            for epoch, record in enumerate(result.epochs, start=1):
                trackers.metrics(epoch_figures(record), epoch)
            trackers.status("completed")
        for name, failure in trackers.failures.items():
            views.lost(f"some of the log of {name} of {quoted(folder)}", failure)
    with views.view(str(folder / EPOCHS_FILE)):
        write_table(folder / EPOCHS_FILE, *epoch_table([result.epochs for result in folds]))
    with views.view(str(folder / "summary.txt")):
        write_text(folder / "summary.txt", _summary(network))
    with views.view(str(folder / "partitions.txt")):
        lines = [f"{cut}: {size}" for cut, size in partitions(network.cell, context.spec).items()]
        header = "# bytes that cross each cut (float32, one sample)"
        write_text(folder / "partitions.txt", "\n".join([header, *lines]) + "\n")
    saves_onnx = context.config.others.save_children_models
    if context.config.others.save_children_weights or saves_onnx:
        _write_tensors(folder / "weights.safetensors", folds[0].best_state)
        if saves_onnx:
            _export(context, network, folds[0], folder)
            with views.view(str(folder / "cell.svg")):
                from popnas.report import drawing

                drawing.draw_cell(
                    network.cell,
                    folder / "cell.svg",
                    concatenates_only_unused=context.spec.concat_only_unused_blocks,
                )
        described = describe_model(network.cell, context.spec, context.config, context.dataset)
        metrics = folds[0].metrics
        description.write(
            folder, replace(described, run=context.run, stage="search", validation_metrics=metrics)
        )
    return views.missing


def _export(
    context: CandidateContext, network: networks.Network, result: TrainingResult, folder: Path
) -> None:
    # Exporting loads the ONNX libraries: only for those who ask for it.
    from popnas import export

    network.load_state_dict(result.best_state)
    try:
        export.save_onnx(network, context.dataset.preprocessing, folder / "model.onnx")
    except ExportError as error:  # the candidate is as good as before
        write_text(folder / "export_failed.txt", f"{error}\n")


def _summary(network: networks.Network) -> str:
    """A table of the network's parts with their parameters, two levels deep."""
    rows = [("part", "type", "params")]
    for name, module in network.named_modules():
        if name and name.count(".") <= 2:
            params = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
            rows.append((name, type(module).__name__, f"{params:,}"))
    total = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    rows.append(("total", "", f"{total:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = [
        f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {params:>{widths[2]}}" for name, kind, params in rows
    ]
    return "\n".join([str(network.cell), "", *table]) + "\n"
