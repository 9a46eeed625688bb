"""`.npz` files written array by array, or image by image: what is written need not fit into memory.

numpy.savez wants all arrays at once. Here the members are not compressed, so that the data can be mapped from
disk when they are used.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from popnas.storage import make_readable, storage_errors

# The oldest date that a zip file can hold: equal data make equal files.
_DATE = (1980, 1, 1, 0, 0, 0)
_REMEDY = "then run the command again. No file was replaced"


class NpzWriter:
    """Writes members into an open archive, in the order of the calls."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, name: str, array: np.ndarray) -> None:
        """One array."""
        with self._member(name) as stream:
            np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)

    def write_stacked(
        self, name: str, arrays: Iterable[np.ndarray], shape: tuple[int, ...], dtype: Any
    ) -> None:
        """Arrays of one shape as the array `shape` (n, ...), one after the other."""
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        with self._member(name) as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for array in arrays:
                assert array.shape == shape[1:], (name, array.shape, shape)
                stream.write(np.ascontiguousarray(array, dtype=dtype).tobytes())

    def _member(self, name: str) -> IO[bytes]:
        # How large a member will be is not known when it begins.
        return self._archive.open(zipfile.ZipInfo(f"{name}.npy", _DATE), "w", force_zip64=True)


@contextmanager
def npz_writer(path: Path) -> Iterator[NpzWriter]:
    """A writer of the file `path`, which appears, or replaces an old one, only when the block has ended well.

    Raises:
        StorageError: the disk refused; an old file, if any, is intact.
    """
    with storage_errors(path, remedy=_REMEDY):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with storage_errors(path, remedy=_REMEDY), os.fdopen(handle, "wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
                yield NpzWriter(archive)
            stream.flush()
            make_readable(stream.fileno(), 0o666)
        with storage_errors(path, remedy=_REMEDY):
            os.replace(name, path)  # noqa: PTH105 - both names in one call shows the atomic step
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
