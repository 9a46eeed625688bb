"""The page of a model's test results."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from popnas.evaluation import metric_title
from popnas.report import canvas, confusion, markup
from popnas.report.markup import Value
from popnas.report.model_results import ConfidenceBin, EvaluationResult
from popnas.report.pages._base import document, figure_html
from popnas.report.views import Views

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOP = 5  # of `top_k_accuracy`


def html(result: EvaluationResult, views: Views) -> str:
    """The whole page, everything inside, without the parts that cannot be drawn."""
    sections = [("Result", _result(result)), ("Classes", _classes(result))]
    for title, part in (("Confusion", _confusion), ("Calibration", _calibration)):
        with views.view(f"the part '{title}' of the page of {result.model.name}"):
            sections.append((title, part(result)))
    dataset = result.model.description.dataset
    where = None if dataset is None else dataset.name or dataset.path
    return document(result.model.name, f"Test results on {where or 'its data'}", sections)


def _result(result: EvaluationResult) -> str:
    described = result.model.description
    tiles = [
        *((_words(name), f"{result.metrics[name]:.4f}") for name in _told_metrics(result)),
        ("calibration error", f"{result.calibration.expected_calibration_error:.4f}"),
        ("test images" if result.is_per_pixel else "test samples", f"{result.num_samples:,}"),
        ("parameters", f"{described.params:,}" if described.params is not None else "–"),
    ]
    parts = [f"<p>{markup.code(described.cell)}</p>", markup.tiles(tiles)]
    parts.append(f'<p class="note">Computed from {markup.code(result.model.file)}.</p>')
    if result.masks:
        link = f'<a href="{markup.text(result.masks)}">the predicted masks, worst images first</a>'
        parts.append(f"<p>To look at: {link}.</p>")
    if len(result.heads) > 1:
        names = _told_metrics(result)
        rows: list[list[Value | str]] = [
            [
                f"head {number}",
                markup.score(head.weight),
                *(markup.score(head.metrics[name]) for name in names),
            ]
            for number, head in enumerate(result.heads, start=1)
        ]
        parts.append(markup.table(["", "weight in the loss", *map(_words, names)], rows))
        parts.append('<p class="note">The last head is the main one; the others only help in training.</p>')
    return "".join(parts)


def _told_metrics(result: EvaluationResult) -> list[str]:
    """Names of metrics; of at most five classes every one is among the first five answers."""
    names = list(result.metrics)
    return [name for name in names if name != "top_k_accuracy" or len(result.classes) > _TOP]


def _classes(result: EvaluationResult) -> str:
    counted, names = _counted(result), markup.names([item.name for item in result.classes])
    rows: list[list[Value | str]] = [
        [
            Value(
                shown + (f" (no training {counted[:-1]})" if item.name in result.unseen else ""),
                item.name,
            ),
            *([markup.score(item.iou)] if result.is_per_pixel else []),
            *(markup.score(value) for value in (item.precision, item.recall, item.f1_score)),
            markup.count(item.support),
        ]
        for item, shown in zip(result.classes, names, strict=True)
    ]
    columns = [*(["IoU"] if result.is_per_pixel else []), "precision", "recall", "F1"]
    return markup.table(["class", *columns, counted], rows)


def _counted(result: EvaluationResult) -> str:
    """What precision, recall and confusion are counted in."""
    return "pixels" if result.is_per_pixel else "samples"


def _confusion(result: EvaluationResult) -> str:
    counts_KK = np.asarray(result.confusion)
    names = [item.name for item in result.classes]
    shares_KK = confusion.normalised(counts_KK)
    captions = (
        f"{_counted(result).capitalize()} by true and predicted class.",
        "The same as shares of each true class.",
    )
    return "".join(
        figure_html(canvas.encode_painted(partial(confusion.paint, values, names)), caption)
        for values, caption in zip((counts_KK, shares_KK), captions, strict=True)
    )


def _calibration(result: EvaluationResult) -> str:
    calibration = result.calibration
    caption = (
        "Accuracy of the answers by their confidence; on the diagonal the network is as sure as it is right. "
        f"Expected calibration error {calibration.expected_calibration_error:.4f}."
    )
    return figure_html(canvas.encode_painted(lambda: paint_reliability(calibration.bins)), caption)


def paint_reliability(bins: Sequence[ConfidenceBin]) -> Figure:
    """Accuracy over confidence, a bar per bin, and below how many answers each bin has."""
    figure, rows = canvas.panels(1, 2, "Reliability", height=2.6)
    left = [item.low for item in bins]
    width = bins[0].high - bins[0].low
    accuracy, counts = rows[0]
    accuracy.bar(left, [item.accuracy or 0.0 for item in bins], width, align="edge", color="#0072b2")
    accuracy.plot([0, 1], [0, 1], color=canvas.INK, linestyle="--", linewidth=1)
    accuracy.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    counts.bar(left, [item.count for item in bins], width, align="edge", color="#999999")
    counts.set(xlabel="confidence", ylabel="answers", xlim=(0, 1))
    return figure


def _words(name: str) -> str:
    return {"f1_score": "F1", "top_k_accuracy": "top-5 accuracy"}.get(name, metric_title(name))
