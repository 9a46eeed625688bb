"""Predicted masks to look at: image, truth, prediction and error side by side, the worst images first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popnas.printable import counted
from popnas.report import markup, pictures
from popnas.report.markup import Value
from popnas.report.model_results import MasksResult
from popnas.report.pages._base import document

NUM_IN_REPORT = 4
"""Images that a run's report shows; the page has more."""


@dataclass(frozen=True)
class ShownMask:
    """An image (h, w, c) with its true and predicted mask (h, w), and how good the prediction is."""

    name: str
    x: np.ndarray
    y: np.ndarray
    predicted: np.ndarray
    mean_iou: float
    accuracy: float


def html(result: MasksResult, shown: Sequence[ShownMask]) -> str:
    """The whole page, everything inside."""
    colours_K3 = pictures.class_colours(len(result.classes))
    sections = [
        ("Worst images", _explained(result, shown, colours_K3) + _rows(shown, colours_K3)),
        ("Classes", _classes(result, colours_K3)),
    ]
    return document(f"Masks of {result.model}", _subtitle(result), sections)


def montage(shown: Sequence[ShownMask], num_classes: int) -> bytes:
    """The first of them as one PNG, for the run's report."""
    colours_K3 = pictures.class_colours(num_classes)
    return pictures.png(pictures.montage([_panels(item, colours_K3) for item in shown[:NUM_IN_REPORT]]))


def _subtitle(result: MasksResult) -> str:
    metrics = result.metrics
    return (
        f"{result.split.capitalize()} split, {counted(result.num_images, 'image')}: mean IoU "
        f"{metrics['mean_iou']:.4f}, pixel accuracy {metrics['accuracy']:.4f}"
    )


def _explained(result: MasksResult, shown: Sequence[ShownMask], colours_K3: np.ndarray) -> str:
    names = result.class_names
    has_unlabelled = any((item.y >= len(names)).any() for item in shown)
    note = f"<p class=note>{markup.text(result.note)}</p>" if result.note else ""
    some = f"The {len(shown)} of {counted(result.num_images, 'image')}" if shown else "No image has labels."
    told = (
        f"{some} whose own mean IoU (over the classes that the image or its prediction has) is lowest. "
        "Errors are vermilion; striped pixels are unlabelled and count nowhere."
        if shown
        else some
    )
    return f"{note}<p>{told}</p>{pictures.legend(names, colours_K3, has_unlabelled=has_unlabelled)}"


def _rows(shown: Sequence[ShownMask], colours_K3: np.ndarray) -> str:
    if not shown:
        return ""
    rows = "".join(_row(item, colours_K3) for item in shown)
    return pictures.columns_html() + rows


def _row(item: ShownMask, colours_K3: np.ndarray) -> str:
    images = "".join(
        pictures.image_html(pictures.png(panel), f"{what} of {item.name}")
        for what, panel in zip(pictures.COLUMNS, _panels(item, colours_K3), strict=True)
    )
    return (
        f'<figure class="mask"><div class="masks">{images}</div><figcaption>mean IoU '
        f"<strong>{item.mean_iou:.4f}</strong>, pixel accuracy <strong>{item.accuracy:.4f}</strong> · "
        f"{markup.code(item.name)}</figcaption></figure>"
    )


def _panels(item: ShownMask, colours_K3: np.ndarray) -> list[np.ndarray]:
    """What stands side by side, at a size for pages."""
    panels = (
        pictures.as_rgb(item.x),
        pictures.coloured(item.y, colours_K3),
        pictures.coloured(item.predicted, colours_K3),
        pictures.error(item.x, item.y, item.predicted, len(colours_K3)),
    )
    return [pictures.shrunk(panel, is_smooth=place == 0) for place, panel in enumerate(panels)]


def _classes(result: MasksResult, colours_K3: np.ndarray) -> str:
    total = max(sum(item.support for item in result.classes), 1)
    rows: list[list[Value | str]] = [
        [
            Value(pictures.swatch(colour) + shown, item.name),
            markup.score(item.iou),
            markup.score(item.recall),
            markup.score(item.precision),
            markup.percent(item.support / total),
        ]
        for item, shown, colour in zip(
            result.classes, markup.names(result.class_names), colours_K3, strict=True
        )
    ]
    return markup.table(["class", "IoU", "recall", "precision", "share of pixels"], rows)
