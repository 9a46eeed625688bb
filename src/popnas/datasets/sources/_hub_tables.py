"""Tables of the Hugging Face hub: downloading them, and which is which split.

Only data files are fetched; no remote code is ever run.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from popnas.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from popnas.datasets.sources import Request

_SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}


def download(name: str, address: str, files: str) -> Mapping[str, Any]:
    """The tables of the repository `address` (`owner/name[:subset]`); `files` says in messages what a
    folder of one's own would hold.

    Raises:
        DataError: the download fails.
        MissingExtraError: the library is not installed.
    """
    if find_spec("datasets") is None:
        raise MissingExtraError(f"The data set '{name}'", "hub", "datasets")
    import datasets

    repository, _, subset = address.partition(":")
    try:
        return datasets.load_dataset(repository, subset or None)
    except Exception as error:  # the library, its HTTP client and its file formats raise what they like
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"The data set '{name}' (dataset.name) could not be downloaded: tried '{repository}' on the "
            f"Hugging Face hub, which failed with: {reason}. Check the name and the connection, or get the "
            f"images yourself and set dataset.path to a folder with {files}."
        ) from error


def names_of_splits(tables: Mapping[str, Any], request: Request) -> dict[str, str]:
    """Which table is which of the splits that are asked for; raises DataError if none is for training."""
    names = {split: name for split in request.splits for name in _SPLIT_NAMES[split] if name in tables}
    if "train" not in names:
        raise DataError(
            f"the data set '{request.name}' has no split 'train', only: {', '.join(tables)}. Download it and "
            "give dataset.path."
        )
    return names
