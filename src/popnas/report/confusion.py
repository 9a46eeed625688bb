"""Confusion matrices: which class is taken for which, in numbers and as shares of the true class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from popnas.report.views import Views
from popnas.storage import write_bytes, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_WRITTEN = 25
"""So many classes still have room for a figure in every square."""
_MAX_NAMED = 60


def normalised(counts_KK: np.ndarray) -> np.ndarray:
    """Each row (true class) as shares that sum to 1; a class without samples has zeros."""
    totals_K1 = counts_KK.sum(axis=1, keepdims=True)
    return np.divide(counts_KK, totals_K1, out=np.zeros(counts_KK.shape), where=totals_K1 > 0)


def write(
    folder: Path,
    stem: str,
    counts: Sequence[Sequence[int]] | np.ndarray,
    class_names: Sequence[str],
    views: Views,
) -> None:
    """Write `{stem}.csv`, `{stem}.png` and both again as `{stem}_normalised`.

    `counts`: (classes, classes), true classes in rows, predicted ones in columns.

    Raises:
        StorageError: the disk refused, and the `views` are what was asked for.
    """
    counts_KK = np.asarray(counts, dtype=np.int64)
    assert counts_KK.shape == (len(class_names),) * 2, (counts_KK.shape, len(class_names))
    for name, values_KK in ((stem, counts_KK), (f"{stem}_normalised", normalised(counts_KK))):
        with views.view(str(folder / f"{name}.csv")):
            rows = [[label, *row] for label, row in zip(class_names, values_KK.tolist(), strict=True)]
            write_table(folder / f"{name}.csv", ["true class", *class_names], rows)
        with views.view(str(folder / f"{name}.png")):
            from popnas.report import canvas

            png = canvas.encode_painted(partial(paint, values_KK, class_names))
            write_bytes(folder / f"{name}.png", png)


def paint(values_KK: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Squares coloured by the share of their row; figures where there is room for them."""
    from popnas.report import canvas

    num_classes = len(class_names)
    names = canvas.labels([str(name) for name in class_names])
    is_shares = np.issubdtype(values_KK.dtype, np.floating)
    side = min(max(0.42 * num_classes, 2.4), 11.0)
    margin = 0.6 + 0.085 * max(map(len, names))
    title = "Confusion, shares of the true class" if is_shares else "Confusion, samples"
    figure, rows = canvas.panels(
        1,
        1,
        title,
        width=side,
        height=side,
        margins=canvas.Margins(left=margin, bottom=margin, right=max(0.3, 3.9 - margin - side)),
    )
    axes = rows[0][0]
    shares_KK = normalised(values_KK)
    axes.imshow(shares_KK, cmap="Blues", vmin=0.0, vmax=1.0, aspect="equal")
    if num_classes <= _MAX_WRITTEN:
        for row, column in np.argwhere(values_KK > 0):
            value = values_KK[row, column]
            is_dark = shares_KK[row, column] > 0.55
            axes.text(
                column,
                row,
                f"{value:.2f}" if is_shares else str(value),
                ha="center",
                va="center",
                size=8 if num_classes <= 12 else 6.5,
                color="white" if is_dark else canvas.INK,
            )
    if num_classes <= _MAX_NAMED:
        size = 9 if num_classes <= 30 else 6
        axes.set_xticks(range(num_classes), names, rotation=90 if margin > 1.0 else 0, size=size)
        axes.set_yticks(range(num_classes), names, size=size)
    axes.grid(visible=False)
    axes.set(xlabel="predicted class", ylabel="true class")
    return figure
