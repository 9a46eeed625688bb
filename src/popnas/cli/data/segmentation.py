"""`popnas dataset segmentation`: image and mask files to the files that training reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas import files
from popnas.cli.terminal.options import gathered, json_option
from popnas.cli.terminal.output import echo, echo_events, print_json, print_table
from popnas.command_lines import as_typed
from popnas.errors import DataError, UserError
from popnas.printable import quoted, told_apart

if TYPE_CHECKING:
    from popnas.records import Json
    from popnas.workflows.data.segmentation_files import BuiltSplit, MaskReading

_MODES = ("grey", "rgb", "red", "green", "blue")
_SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
_PIXELS = click.IntRange(min=1)


@dataclass(frozen=True)
class _Making:
    """How files become training data: what masks hold, and the sizes of images."""

    mode: str | None
    colors: Path | None
    ignore: int | None
    num_classes: int | None
    resize: int | None
    crop: int | None


@click.command("segmentation")
@click.argument("folder", metavar="[FOLDER]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--split",
    "splits",
    metavar="NAME IMAGES MASKS",
    nargs=3,
    multiple=True,
    type=(click.Choice(list(_SPLITS)), click.Path(path_type=Path), click.Path(path_type=Path)),
    help="Instead of FOLDER: a split's name (train, validation, test) and its two folders. Repeatable.",
)
@click.option(
    "-o",
    "output",
    metavar="NEW_FOLDER",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where train.npz, validation.npz, test.npz and classes.txt go.",
)
@click.option(
    "--masks",
    "mode",
    type=click.Choice(_MODES),
    help="What masks hold: grey values or palette indices that are labels; RGB colours, translated by the "
    "table; labels in one channel of RGB.  [default: rgb where there is a table, else grey]",
)
@click.option(
    "--colors",
    metavar="TABLE",
    type=click.Path(path_type=Path, dir_okay=False),
    help='Lines of "red green blue name" or "red,green,blue,label", or JSON {"name": [red, green, blue]}.  '
    "[default: colors.csv in FOLDER]",
)
@click.option(
    "--ignore",
    metavar="LABEL",
    type=click.IntRange(0, 65535),
    help="The label that means unlabelled; with --masks rgb also that of colours not in the table.",
)
@click.option(
    "--classes",
    "num_classes",
    metavar="N",
    type=click.IntRange(min=2),
    help="Labels are 0 to N-1, all others a mistake.  [default: as many as have names]",
)
@click.option("--resize", metavar="PIXELS", type=_PIXELS, help="Shorter side; the ratio is kept.")
@click.option("--crop", metavar="PIXELS", type=_PIXELS, help="After that: a square from the centre.")
@click.option("--force", "replaces", is_flag=True, help="Replace files that exist.")
@json_option
@gathered(making=_Making)
def segmentation(
    folder: Path | None,
    splits: tuple[tuple[str, Path, Path], ...],
    output: Path,
    making: _Making,
    replaces: bool,
    is_json: bool,
) -> None:
    """Build segmentation data from image and mask files: one .npz per split.

    FOLDER holds SPLIT/images and SPLIT/masks with equal names, or SPLIT and SPLITannot as CamVid has them;
    classes.txt in it names the labels, one a line. Images are resized smoothly, masks never: each pixel takes
    the label nearest to it.
    """
    from popnas.datasets.masks.geometry import Geometry
    from popnas.workflows.data.segmentation_files import build

    folders = _folders(folder, splits)
    if folder is not None and output.resolve() == folder.resolve():
        raise UserError(
            f"-o {quoted(output)} is the folder of the images. Give another one for the new files."
        )
    reading, names = _reading(folder, making)
    built = build(
        folders,
        output,
        reading,
        Geometry(making.resize, making.crop),
        class_names=names,
        replaces=replaces,
        tell=echo_events,
    )
    if is_json:
        print_json({"path": str(output), "class_names": names, "splits": [_content(item) for item in built]})
        return
    _show(built, names, making.ignore)
    echo(f"\nNext: {as_typed('dataset', 'inspect', output)}\nor:   {as_typed('init', output)}")


def _folders(folder: Path | None, splits: tuple[tuple[str, Path, Path], ...]) -> dict[str, tuple[Path, Path]]:
    """Image and mask folder per split, the training split first."""
    if (folder is None) == (not splits):
        raise click.UsageError("give either FOLDER, or its parts with --split NAME IMAGES MASKS.")
    if folder is not None:
        return _below(folder)
    found: dict[str, tuple[Path, Path]] = {}
    for name, image_folder, mask_folder in splits:
        if _SPLITS[name] in found:
            raise click.UsageError(f"--split {name} is given twice; each split has one pair of folders.")
        found[_SPLITS[name]] = (image_folder, mask_folder)
    return {name: found[name] for name in dict.fromkeys(_SPLITS.values()) if name in found}


def _below(folder: Path) -> dict[str, tuple[Path, Path]]:
    from popnas.datasets.sources.segmentation_folders import SegmentationFolders, found_splits

    if not folder.exists():
        raise DataError(
            f"{quoted(folder)} {files.missing(folder)} Give the folder that holds the images and masks."
        )
    found = found_splits(folder) if folder.is_dir() else {}
    if found:
        return found
    is_npz = folder.suffix == ".npz" or (folder.is_dir() and any(folder.glob("*.npz")))
    old = (
        " An .npz file is not what this command reads: files of pickled arrays are never loaded, because a "
        "pickle can run any code. Give the images and masks that the file was made from."
    )
    raise DataError(
        f"{quoted(folder)} holds no images with masks. Looked for: {SegmentationFolders.layout}; or train "
        f"and trainannot.{old if is_npz else ''} Folders of other names are given with --split NAME IMAGES "
        "MASKS."
    )


def _reading(folder: Path | None, making: _Making) -> tuple[MaskReading, list[str] | None]:
    """How masks are read, and the names of their labels."""
    from popnas.datasets.layouts import label_names
    from popnas.datasets.masks import colours
    from popnas.datasets.masks.mask_files import COLOUR_FILE
    from popnas.workflows.data.segmentation_files import CHANNELS, MaskReading

    colors = making.colors
    if colors is None and folder is not None and making.mode in (None, "rgb"):
        colors = folder / COLOUR_FILE if (folder / COLOUR_FILE).is_file() else None
    mode = making.mode or ("grey" if colors is None else "rgb")
    if (mode == "rgb") != (colors is not None):
        rule = "needs the table of its colours: add --colors TABLE" if colors is None else "takes no --colors"
        raise UserError(f"--masks {mode} {rule}. A table goes with --masks rgb, and only with it.")
    names = label_names(folder) if folder is not None else None
    table = None
    if colors is not None:
        found = colours.read(colors, unlisted=making.ignore)
        table, names = found.table, found.names or names
    # Colours are checked by their table, which may give labels of any value.
    count = making.num_classes or (len(names) if names and table is None else None)
    return MaskReading(table, CHANNELS.get(mode), count, making.ignore), names


def _content(item: BuiltSplit) -> Json:
    return {
        "name": item.name,
        "file": str(item.path),
        "num_images": len(item.sizes),
        "smallest": item.sizes.min(axis=0).tolist(),
        "largest": item.sizes.max(axis=0).tolist(),
        "pixels": {str(label): count for label, count in item.pixels.items()},
    }


def _show(built: list[BuiltSplit], names: list[str] | None, ignore: int | None) -> None:
    """A table of the files and one of the labels' shares."""
    rows = []
    for item in built:
        smallest, largest = item.sizes.min(axis=0).tolist(), item.sizes.max(axis=0).tolist()
        shown = [f"{width}x{height}" for height, width in (smallest, largest)]
        size = shown[0] if smallest == largest else " to ".join(shown)
        rows.append([item.name, len(item.sizes), size, f"{item.path.stat().st_size / 1e6:.1f} MB", item.path])
    print_table(["split", "images", "width x height", "size", "file"], rows)
    echo()
    names = told_apart(names or [])
    labels = sorted({label for item in built for label in item.pixels})
    print_table(
        ["label", "name", *(item.name for item in built)],
        [[label, _name(label, names, ignore), *(_share(item, label) for item in built)] for label in labels],
    )


def _name(label: int, names: list[str], ignore: int | None) -> str:
    if label == ignore:
        return "(unlabelled)"
    return names[label] if label < len(names) else ""


def _share(item: BuiltSplit, label: int) -> str:
    return f"{item.pixels.get(label, 0) / sum(item.pixels.values()):.2%}"
