"""Tables of the Hugging Face hub: downloading them, and which is which split.

Only data files are fetched; no remote code is ever run.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from popnas.datasets.findings import Findings
from popnas.datasets.layouts import split_named
from popnas.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from popnas.datasets.sources import Request


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


def names_of_splits(tables: Mapping[str, Any], request: Request, findings: Findings) -> dict[str, str]:
    """Which table is which of the splits that are asked for; tables that are none are found.

    Raises:
        DataError: no table is for training, or two are of one split.
    """
    found: dict[str, str] = {}
    for name in tables:
        split = split_named(name)
        if split is None:
            findings.add("splits of other names are not used", name)
        elif split in found:
            raise DataError(
                f"the data set '{request.name}' has the splits '{found[split]}' and '{name}', which both are "
                f"the {split} split by their names. Download it and give dataset.path."
            )
        else:
            found[split] = name
    if "train" not in found:
        raise DataError(
            f"the data set '{request.name}' has no split 'train', only: {', '.join(tables)}. Download it and "
            "give dataset.path."
        )
    return {split: found[split] for split in request.splits if split in found}


def find_other_columns(columns: Sequence[str], findings: Findings) -> None:
    """Columns that might be meant as well as the first, which is taken."""
    for other in columns[1:]:
        findings.add(f"the column '{columns[0]}' is taken; others that might be meant are not used", other)
