"""Single arrays of an `.npz` file without an open file between: many threads read, nothing is left to close.

`numpy.load` reads the whole table of contents each time a file is opened, which for thousands of arrays takes
longer than reading one of them. Here it is read once.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from popnas.datasets.sources._npz import unreadable
from popnas.errors import DataError

_READ_HEADER: dict[tuple[int, int], Callable[[Any], tuple[tuple[int, ...], bool, np.dtype]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LOCAL_HEADER = 30
_HEADER_BYTES = 4096


class NpzMembers:
    """The arrays of `file`, by name; never unpickled (`pickle_remedy` says what to do with such).

    Raises:
        DataError: no readable file, or (from each method) a damaged array or one of Python objects.
    """

    def __init__(self, file: Path, pickle_remedy: str) -> None:
        self.file, self.pickle_remedy = file, pickle_remedy
        try:
            with zipfile.ZipFile(file) as archive:
                self._infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{file} cannot be read as an .npz file: {error}. Write it anew with numpy.savez."
            ) from error

    def read(self, name: str) -> np.ndarray:
        """The whole array."""
        return self._checked(name, lambda: self._read(self._infos[name]))

    def kind(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and type, from the first bytes alone."""
        shape, _, dtype, _ = self._checked(name, lambda: self._header(self._infos[name]))
        return shape, dtype

    def mapped(self, name: str) -> np.ndarray | None:
        """The array mapped from disk; None if it is compressed (or is no plain array)."""
        info = self._infos[name]
        if info.compress_type != zipfile.ZIP_STORED:
            return None
        shape, is_fortran, dtype, size = self._checked(name, lambda: self._header(info))
        if dtype.hasobject or 0 in shape:
            return None
        return np.memmap(self.file, dtype, "r", self._start(info) + size, shape, "F" if is_fortran else "C")

    def _checked(self, name: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, struct.error) as error:
            raise unreadable(name, self.file, error, self.pickle_remedy) from error

    def _read(self, info: zipfile.ZipInfo) -> np.ndarray:
        raw = self._bytes(info, info.compress_size)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            raw = zlib.decompress(raw, -zlib.MAX_WBITS, info.file_size)
        if zlib.crc32(raw) != info.CRC:
            raise ValueError("its checksum is wrong")
        array: np.ndarray = np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)
        return array

    def _header(self, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], bool, np.dtype, int]:
        """Shape, whether columns come first, type, and bytes before the values."""
        raw = self._bytes(info, min(info.compress_size, _HEADER_BYTES))
        if info.compress_type == zipfile.ZIP_DEFLATED:
            raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, _HEADER_BYTES)
        stream = io.BytesIO(raw)
        version = np.lib.format.read_magic(stream)
        if version not in _READ_HEADER:
            raise ValueError(f"its format {version} is not known")
        return *_READ_HEADER[version](stream), stream.tell()

    def _bytes(self, info: zipfile.ZipInfo, count: int) -> bytes:
        if info.compress_type not in _PLAIN or info.flag_bits & 1:
            raise ValueError("it is compressed or encrypted in a way that numpy.savez does not use")
        start = self._start(info)
        with self.file.open("rb") as file:
            file.seek(start)
            return file.read(count)

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where the member's bytes begin, behind its local header."""
        with self.file.open("rb") as file:
            file.seek(info.header_offset + 26)
            name_size, extra_size = struct.unpack("<HH", file.read(4))
        return int(info.header_offset + _LOCAL_HEADER + name_size + extra_size)
