"""The page of a model's test results, from its `eval.json`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from popnas.evaluation import metric_title
from popnas.report import canvas, confusion, markup
from popnas.report.markup import Value
from popnas.report.pages._base import document, figure_html
from popnas.report.views import Views

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def html(content: dict[str, Any], views: Views) -> str:
    """The whole page, everything inside, without the parts that cannot be drawn."""
    sections = [("Result", _result(content)), ("Classes", _classes(content))]
    for title, part in (("Confusion", _confusion), ("Calibration", _calibration)):
        with views.view(f"the part '{title}' of the page of {content['model']}"):
            sections.append((title, part(content)))
    dataset = content["dataset"] or {}
    where = dataset.get("name") or dataset.get("path") or "its data"
    return document(content["model"], f"Test results on {where}", sections)


def _result(content: dict[str, Any]) -> str:
    error = content["calibration"]["expected_calibration_error"]
    tiles = [
        *((_words(name), f"{value:.4f}") for name, value in content["metrics"].items()),
        ("calibration error", f"{error:.4f}"),
        ("test images" if _is_per_pixel(content) else "test samples", f"{content['num_samples']:,}"),
        ("parameters", f"{content['params']:,}" if content["params"] is not None else "–"),
    ]
    parts = [f"<p>{markup.code(content['cell'])}</p>", markup.tiles(tiles)]
    parts.append(f'<p class="note">Computed from {markup.code(content["file"])}.</p>')
    if content.get("masks"):
        link = f'<a href="{markup.text(content["masks"])}">the predicted masks, worst images first</a>'
        parts.append(f"<p>To look at: {link}.</p>")
    if len(content["heads"]) > 1:
        names = list(content["metrics"])
        rows: list[list[Value | str]] = [
            [f"head {number}", markup.score(head["weight"]), *(markup.score(head[name]) for name in names)]
            for number, head in enumerate(content["heads"], start=1)
        ]
        parts.append(markup.table(["", "weight in the loss", *map(_words, names)], rows))
        parts.append('<p class="note">The last head is the main one; the others only help in training.</p>')
    return "".join(parts)


def _classes(content: dict[str, Any]) -> str:
    columns = {"precision": "precision", "recall": "recall", "f1_score": "F1"}
    if _is_per_pixel(content):
        columns = {"iou": "IoU", **columns}
    rows: list[list[Value | str]] = [
        [
            item["name"] + (f" (no training {_counted(content)[:-1]})" if item["is_unseen"] else ""),
            *(markup.score(item[name]) for name in columns),
            markup.count(item["support"]),
        ]
        for item in content["classes"]
    ]
    return markup.table(["class", *columns.values(), _counted(content)], rows)


def _is_per_pixel(content: dict[str, Any]) -> bool:
    return "iou" in content["classes"][0]


def _counted(content: dict[str, Any]) -> str:
    """What precision, recall and confusion are counted in."""
    return "pixels" if _is_per_pixel(content) else "samples"


def _confusion(content: dict[str, Any]) -> str:
    counts_KK = np.asarray(content["confusion"])
    names = [item["name"] for item in content["classes"]]
    shares_KK = confusion.normalised(counts_KK)
    captions = (
        f"{_counted(content).capitalize()} by true and predicted class.",
        "The same as shares of each true class.",
    )
    return "".join(
        figure_html(canvas.encode_painted(partial(confusion.paint, values, names)), caption)
        for values, caption in zip((counts_KK, shares_KK), captions, strict=True)
    )


def _calibration(content: dict[str, Any]) -> str:
    bins = content["calibration"]["bins"]
    caption = (
        "Accuracy of the answers by their confidence; on the diagonal the network is as sure as it is right. "
        f"Expected calibration error {content['calibration']['expected_calibration_error']:.4f}."
    )
    return figure_html(canvas.encode_painted(lambda: paint_reliability(bins)), caption)


def paint_reliability(bins: list[dict[str, Any]]) -> Figure:
    """Accuracy over confidence, a bar per bin, and below how many answers each bin has."""
    figure, rows = canvas.panels(1, 2, "Reliability", height=2.6)
    left = [item["low"] for item in bins]
    width = bins[0]["high"] - bins[0]["low"]
    accuracy, counts = rows[0]
    accuracy.bar(left, [item["accuracy"] or 0.0 for item in bins], width, align="edge", color="#0072b2")
    accuracy.plot([0, 1], [0, 1], color=canvas.INK, linestyle="--", linewidth=1)
    accuracy.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    counts.bar(left, [item["count"] for item in bins], width, align="edge", color="#999999")
    counts.set(xlabel="confidence", ylabel="answers", xlim=(0, 1))
    return figure


def _words(name: str) -> str:
    return {"f1_score": "F1", "top_k_accuracy": "top-5 accuracy"}.get(name, metric_title(name))
