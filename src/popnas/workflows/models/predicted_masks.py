"""`popnas dataset masks`: the masks that a trained network predicts, the worst images first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas import tasks
from popnas.command_lines import as_typed
from popnas.datasets import Dataset, Split
from popnas.errors import MissingSplitError, RunFolderError
from popnas.events import Listen, Warned, nobody
from popnas.printable import quoted
from popnas.report.model_results import MasksResult
from popnas.report.pages import masks_page
from popnas.storage import write_text
from popnas.workflows.models.answers import worst_masks
from popnas.workflows.models.answers.worst_masks import WorstMasks
from popnas.workflows.models.deployment import check_same_data
from popnas.workflows.models.evaluation import answers, find_models
from popnas.workflows.models.folder import ModelFolder

SPLITS = ("test", "validation")
NUM_SAMPLED = 32
"""Validation images that a search looks at when it ends."""


@dataclass(frozen=True)
class MasksPage:
    """The page that was written, and what is on it."""

    path: Path
    result: MasksResult


def show(
    run: Path,
    model: Path | None = None,
    *,
    split: str = "test",
    num_shown: int = worst_masks.NUM_SHOWN,
    output: Path | None = None,
    tell: Listen = nobody,
) -> MasksPage:
    """Predict the masks of a split and write the page of the worst `num_shown` (`model` as for `evaluate`;
    default of `output`: `masks.html` in the model's folder, where the run's report finds it).

    Raises:
        RunFolderError: no such model, or one that predicts no masks.
        MissingSplitError: the data have no test split.
        DataError: the data cannot be read or are no longer those of the training.
    """
    assert split in SPLITS, split
    (folder,) = find_models(run, model)
    kind = folder.config().dataset.type
    if not tasks.get(kind).is_per_pixel:
        raise RunFolderError(
            f"{quoted(folder.path)} is a model for {kind}: it predicts one class per example and no masks. "
            f"Its test results: {as_typed('evaluate', '-p', run)}"
        )
    dataset, part = _data(folder, split)
    if split == "test":
        for warning in dataset.test_warnings:
            tell(Warned(warning))
    worst = WorstMasks(dataset.num_classes, num_shown)
    for probabilities_NK, y_N in answers(folder, folder.load_network(), part):
        worst.update(probabilities_NK, y_N)
    shown = worst.shown(part)
    result = worst_masks.result_of(
        worst, shown, dataset.class_names, model=folder.path.name, split=split, note=_note(folder, split)
    )
    if output is None:
        return MasksPage(worst_masks.write(folder.path, result, shown), result)
    write_text(output, masks_page.html(result, shown))
    return MasksPage(output, result)


def write_sample(folder: ModelFolder, dataset: Dataset) -> Path:
    """Write the page of the worst of `NUM_SAMPLED` validation images, spread over the split: what the report
    of a search shows; `dataset`: that of the search. Whole images of a large split would take longer than a
    candidate's training.

    Raises:
        StorageError: the disk refused.
    """
    num_all = len(dataset.validation)
    chosen = np.unique(np.linspace(0, num_all - 1, NUM_SAMPLED).round().astype(int))
    part = dataset.validation.take(chosen)
    worst = WorstMasks(dataset.num_classes)
    for probabilities_NK, y_N in answers(folder, folder.load_network(), part):
        worst.update(probabilities_NK, y_N)
    note = None
    if len(chosen) < num_all:
        command = as_typed("dataset", "masks", "-p", folder.path.parent, "--split", "validation")
        note = f"{len(chosen)} of {num_all:,} validation images were looked at. All of them: {command}"
    shown = worst.shown(part)
    result = worst_masks.result_of(
        worst, shown, dataset.class_names, model=folder.path.name, split="validation", note=note
    )
    return worst_masks.write(folder.path, result, shown)


def _data(folder: ModelFolder, split: str) -> tuple[Dataset, Split]:
    try:
        dataset = folder.load_dataset(need_test=split == "test")
    except MissingSplitError as lack:
        raise MissingSplitError(f"{lack} Or look at validation data: `split` validation.") from lack
    check_same_data(folder, dataset)
    part = dataset.test if split == "test" else dataset.validation
    assert part is not None
    return dataset, part


def _note(folder: ModelFolder, split: str) -> str | None:
    """What must be known to read the figures right."""
    is_final = "final_training" in (folder.path.name, folder.path.parent.name)
    if split == "validation" and is_final:
        return "The final network was trained on these images too: the figures are better than on new ones."
    return None
