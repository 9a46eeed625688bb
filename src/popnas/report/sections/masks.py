"""Predicted masks of a segmentation run: the worst images of its final network, else of its best model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from popnas import files
from popnas.errors import PopnasError
from popnas.printable import quoted
from popnas.records import FormError
from popnas.report import markup, pictures
from popnas.report.model_results import MasksResult
from popnas.report.run_data import RunData
from popnas.runs import identity
from popnas.runs.stored.reading import read_json
from popnas.runs.stored.rules import has, is_share, is_text, list_of, whole

_MOST_CLASSES = 65_536


_CONTENT = {
    "split": is_text,
    "num_images": whole(1),
    "num_in_report": whole(0),
    "metrics": has({"mean_iou": is_share}),
    "classes": list_of(has({"name": is_text}), 1, _MOST_CLASSES),
    "images": list_of(has({"mean_iou": is_share}), 1),
}


def render(run: RunData) -> str:
    """The pictures that a page of masks in a model's folder was written with; "" if there is none."""
    for page in _pages(run.path):
        found = _read(page)
        if found is not None:
            return _shown(page.relative_to(run.path), *found)
    return ""


def _pages(path: Path) -> Iterator[Path]:
    """Where pages may be, the final network's first."""
    folders = [path / "final_training", *sorted((path / "final_training").glob("*/")), path / "best_model"]
    yield from (folder / name for folder in folders for name in ("masks.html", "masks_validation.html"))


def _read(page: Path) -> tuple[MasksResult, bytes] | None:
    """What lies beside a page; None if it cannot be read: a report of what is there is worth more than
    none.
    """
    if not files.is_file(page):
        return None
    try:
        content = read_json(page.with_suffix(".json"), must=_CONTENT)
        result = MasksResult.of_known(content)
        identity.check_place(page.with_suffix(".png"))
        png = files.read_bytes(page.with_suffix(".png"))
    except (OSError, PopnasError, FormError):
        return None
    return result, png


def _shown(page: Path, result: MasksResult, png: bytes) -> str:
    names = result.class_names
    worst = ", ".join(f"{item.mean_iou:.3f}" for item in result.images[: result.num_in_report])
    caption = (
        f"The {result.split} images that {quoted(page.parent)} does worst on, by their own mean IoU: "
        f"{worst}. All {result.num_images:,} together have {result.metrics['mean_iou']:.4f}. Errors are "
        "vermilion; striped pixels are unlabelled."
    )
    legend = pictures.legend(names, pictures.class_colours(len(names)), has_unlabelled=True)
    link = f'<p><a href="{markup.text(page.as_posix())}">More of them, and the IoU of each class</a></p>'
    return (
        f'{legend}{pictures.columns_html()}<figure class="mask">'
        f"{pictures.image_html(png, caption)}<figcaption>{markup.text(caption)}</figcaption></figure>{link}"
    )
