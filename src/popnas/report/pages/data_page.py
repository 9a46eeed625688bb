"""The page of a data set: what will hurt, splits, classes, examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from popnas.printable import counted, told_apart
from popnas.report import markup, pictures
from popnas.report.data_facts import Inspected
from popnas.report.markup import Value
from popnas.report.pages._base import document, figure_html
from popnas.report.views import Views

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_CLASSES = 24
"""Classes whose examples are shown; the table has all."""
_MAX_SERIES = 12
_THUMBNAIL = 112


@dataclass(frozen=True)
class ShownExamples:
    """Training examples, by `kind`: of "masks" `items` are (image, mask), each named in `names`; of "images"
    and "series" the arrays of each class, named likewise.
    """

    kind: str
    names: Sequence[str]
    items: Sequence[tuple[np.ndarray, ...]]


def html(facts: Inspected, examples: ShownExamples, views: Views) -> str:
    """The whole page, everything inside."""
    show = {"masks": _masks, "images": _images, "series": _series}[examples.kind]
    sections = [
        ("What will hurt", _warnings(facts.warnings)),
        ("Splits", _notes(facts.notes) + _splits(facts)),
        ("Classes", _classes(facts, has_colours=examples.kind == "masks")),
    ]
    with views.view("the page's part 'Examples'"):
        sections.append(("Examples", show(facts, examples)))
    kind = facts.type.replace("_", " ")
    subtitle = f"{kind} · {facts.num_classes} classes · networks see {_shape(facts.input_shape)}"
    return document(facts.place, subtitle, sections)


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return '<p class="good">Nothing was found that would hurt a search.</p>'
    return f'<ul class="steps">{"".join(f"<li>{markup.text(line)}</li>" for line in warnings)}</ul>'


def _notes(notes: Sequence[str]) -> str:
    return "".join(f"<p>{markup.text(note)}</p>" for note in notes)


def _splits(facts: Inspected) -> str:
    is_per_pixel = facts.is_per_pixel
    rows: list[list[Value | str]] = []
    for name, split in facts.splits.items():
        cells: list[Value | str] = [
            name,
            markup.count(split.num_examples),
            str(split.original_sizes),
            markup.count(split.num_repeated),
        ]
        rows.append(cells + [markup.percent(split.unlabelled_share)] * is_per_pixel)
    for name in facts.unusable_splits:
        rows.append([name, "?", "cannot be used: see what will hurt", "?", *["?"] * is_per_pixel])
    header = ["split", "examples", "size (width x height)" if len(facts.input_shape) == 3 else "length"]
    return markup.table([*header, "equal to an earlier one", *["unlabelled"] * is_per_pixel], rows)


def _classes(facts: Inspected, *, has_colours: bool) -> str:
    colours_K3 = pictures.class_colours(facts.num_classes)
    largest = max(max(split.class_shares) for split in facts.splits.values())
    rows: list[list[Value | str]] = []
    for k, (name, shown) in enumerate(zip(facts.class_names, markup.names(facts.class_names), strict=True)):
        swatch = pictures.swatch(colours_K3[k]) if has_colours else ""
        row: list[Value | str] = [Value(f'<span class="name">{swatch}{shown}</span>', name)]
        for split in facts.splits.values():
            row += [markup.count(split.num_with_class[k]), _bar(split.class_shares[k], largest)]
        rows.append(row)
    what = ("images", "pixels") if has_colours else ("examples", "share")
    header = [f"{split}, {word}" for split in facts.splits for word in what]
    return markup.table(["class", *header], rows)


def _bar(share: float, largest: float) -> Value:
    width = 60 * share / largest if largest else 0.0
    digits = 2 if 0 < share < 0.01 else 1
    return Value(f'<span class="bar" style="width:{width:.0f}px"></span>{100 * share:.{digits}f} %', share)


def _masks(facts: Inspected, examples: ShownExamples) -> str:
    colours_K3 = pictures.class_colours(facts.num_classes)
    cards = []
    for name, (x_HWC, y_HW) in zip(examples.names, examples.items, strict=True):
        image = pictures.shrunk(pictures.as_rgb(x_HWC), is_smooth=True)
        # The mask is shrunk by itself: its colours must not mix with those beside them.
        over = pictures.shrunk(pictures.overlay(x_HWC, y_HW, colours_K3), is_smooth=False)
        shown = "".join(
            pictures.image_html(pictures.png(picture), f"{what} of {name}")
            for what, picture in (("image", image), ("image under its mask", over))
        )
        caption = f"<figcaption>{markup.code(name)}</figcaption>"
        cards.append(f'<figure class="mask"><div class="masks two">{shown}</div>{caption}</figure>')
    has_unlabelled = any((y_HW >= len(colours_K3)).any() for _, y_HW in examples.items)
    legend = pictures.legend(facts.class_names, colours_K3, has_unlabelled=has_unlabelled)
    told = (
        "<p>Training images that show most of each class, the same under their masks, and a few others.</p>"
    )
    return f'{told}{legend}<div class="cards wide">{"".join(cards)}</div>'


def _images(facts: Inspected, examples: ShownExamples) -> str:
    rows = []
    names, titles = told_apart(examples.names), markup.names(examples.names)
    for name, title, images in list(zip(names, titles, examples.items, strict=True))[:_MAX_CLASSES]:
        shown = "".join(
            pictures.image_html(
                pictures.png(pictures.shrunk(pictures.as_rgb(image), is_smooth=True, largest=_THUMBNAIL)),
                f"an image of {name}",
            )
            for image in images
        )
        rows.append(f'<h3>{title}</h3><div class="thumbnails">{shown}</div>')
    return "".join(rows) + _more(examples, _MAX_CLASSES)


def _series(facts: Inspected, examples: ShownExamples) -> str:
    from popnas.report import canvas

    groups = list(zip(examples.names, examples.items, strict=True))[:_MAX_SERIES]
    num_channels = facts.input_shape[-1]
    channel = "" if num_channels == 1 else f", channel 0 of {num_channels}"
    caption = f"Up to three training series of each class{channel}."
    return figure_html(canvas.encode_painted(partial(_paint_series, groups)), caption) + _more(
        examples, _MAX_SERIES
    )


def _paint_series(groups: Sequence[tuple[str, tuple[np.ndarray, ...]]]) -> Figure:
    from popnas.report import canvas

    num_columns = min(3, len(groups))
    num_rows = -(-len(groups) // num_columns)
    figure, rows = canvas.panels(
        num_rows,
        num_columns,
        "Series",
        width=2.8,
        height=1.5,
        margins=canvas.Margins(left=0.55, gap=0.5, row_gap=0.6),
    )
    panels = [axes for row in rows for axes in row]
    titles = canvas.labels([name for name, _ in groups])
    for axes, title, (_, series) in zip(panels, titles, groups, strict=False):
        axes.set_title(title, loc="left")
        for number, one_TC in enumerate(series[:3]):
            axes.plot(one_TC[:, 0], color=canvas.series(number)[0], linewidth=1)
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    return figure


def _more(examples: ShownExamples, limit: int) -> str:
    num_more = len(examples.names) - limit
    return f"<p class=note>{num_more} more classes are not shown.</p>" if num_more > 0 else ""


def _shape(shape: Sequence[int]) -> str:
    channels = f"{shape[-1]} channel{'s' * (shape[-1] != 1)}"
    if len(shape) == 3:
        return f"{shape[1]}x{shape[0]} pixels (width x height), {channels}"
    return f"{counted(shape[0], 'timestep')}, {channels}"
