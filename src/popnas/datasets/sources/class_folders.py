"""Images in folders named after their class: SPLIT/CLASS/image.png."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from popnas.datasets import layouts
from popnas.datasets.findings import Findings, Mistakes, explained, first_of, read_all, shown
from popnas.datasets.images import decoding
from popnas.datasets.images.decoding import ImageData
from popnas.datasets.sources import SOURCES, Request, Source
from popnas.errors import DataError
from popnas.files import is_folder
from popnas.printable import quoted


@SOURCES.register("class_folders", description="image files in one folder per class at dataset.path")
class ClassFolders(Source):
    """Folders `train`, `validation`, `test` in their usual spellings, each with one folder per class."""

    tasks = frozenset({"image_classification"})
    layout = "a folder train (and validation, test) with one folder of images per class"

    def recognizes(self, path: Path) -> bool:
        """A folder with the folder of a split, unless that holds images and their masks."""
        folders = list(layouts.split_folders(path).values())
        return bool(folders) and layouts.place_of_pairs(folders[0]) is None

    def nearly(self, path: Path) -> str | None:
        """Class folders that lie in no split's folder, or a split's folder itself."""
        if not is_folder(path) or layouts.pair_folders(path) is not None:
            return None
        folders = [child for child in layouts.children(path) if is_folder(child)]
        classes = [shown(child.name) for child in folders if layouts.holds_images(child)]
        if not classes:
            return None
        return layouts.above_split(path) or (
            f"it looks like class folders without splits ({first_of(classes, 3)}): move them below "
            f"{shown(path / 'train')}, a share of them is taken for validation"
        )

    def read(self, request: Request) -> ImageData:
        """All images, decoded, and resized if asked for."""
        path = request.path
        assert path is not None
        folders = layouts.split_folders(path)
        if "train" not in folders:
            raise DataError(
                f"{quoted(path)} (dataset.path) has no training split: there is no folder train. Looked for: "
                f"{self.layout}."
            )
        findings, mistakes = Findings(), Mistakes()
        layouts.unused(path, folders.values(), findings)
        used = {split: folders[split] for split in request.splits if split in folders}
        found = _found(used, findings, mistakes)
        files = [(split, file) for split, pairs in found.items() for _, file in pairs]
        # What was passed over may explain an empty folder, not a broken file.
        with explained(findings if mistakes else Findings()):
            # The files too where folders are wrong: all mistakes at once.
            images = read_all(
                files,
                lambda item: decoding.read_sized(item[1], request.resize, findings.of(item[0])),
                name=lambda item: item[1],
                split=lambda item: item[0],
                mistakes=mistakes,
            )
        sizes = iter([size for _, size in images])
        pixels = iter([image for image, _ in images])
        return ImageData(
            place=quoted(path),
            labels={split: np.array([label for label, _ in pairs]) for split, pairs in found.items()},
            images={split: [next(pixels) for _ in pairs] for split, pairs in found.items()},
            names={split: [shown(file) for _, file in pairs] for split, pairs in found.items()},
            findings=findings,
            original_sizes={split: np.array([next(sizes) for _ in pairs]) for split, pairs in found.items()},
            are_files=True,
        )


def _found(
    folders: dict[str, Path], findings: Findings, mistakes: Mistakes
) -> dict[str, Sequence[tuple[str, Path]]]:
    """(class, file) of every image of each split, in order of name."""
    found = {}
    for split, folder in folders.items():
        with mistakes.held(folder):
            found[split] = _files(folder, findings.of(split), mistakes)
    return found


def _files(folder: Path, findings: Findings, mistakes: Mistakes) -> Sequence[tuple[str, Path]]:
    classes = []
    for child in layouts.children(folder):
        if is_folder(child):
            classes.append(child)
        elif child.suffix.lower() in decoding.SUFFIXES:
            findings.add("images that lie in no class folder are not used", child)
        else:
            findings.pass_over(child)
    if not classes:
        raise DataError(
            f"{shown(folder)} holds no folders. Put the images of each class into a folder with the class's "
            "name."
        )
    pairs: list[tuple[str, Path]] = []
    for child in classes:
        with mistakes.held(child):
            files = layouts.image_files(child, findings, is_class=True)
            _check_class(child, files)
            pairs.extend((child.name, file) for file in files)
    return pairs


def _check_class(folder: Path, files: Sequence[Path]) -> None:
    if shown(folder.name) != folder.name:
        raise DataError(f"The name of the class folder {shown(folder)} is no UTF-8 text. Rename it.")
    if not files:
        raise DataError(
            f"The class folder {shown(folder)} holds no images ({', '.join(sorted(decoding.SUFFIXES))}). "
            "Put some in, or remove it."
        )
