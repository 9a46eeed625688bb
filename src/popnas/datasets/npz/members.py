"""Single arrays of an `.npz` file without an open file between: many threads read, nothing is left to close.

`numpy.load` reads the whole table of contents each time a file is opened, which for thousands of arrays takes
longer than reading one of them. Here it is read once. What a file says of itself is believed only as far as
its bytes bear it out: before an array is made its header, the archive's table and the free memory must agree.
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from popnas import files
from popnas.errors import DataError
from popnas.printable import quoted
from popnas.resources import free_memory

Result = TypeVar("Result")

_MAGIC = b"\x93NUMPY"
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LOCAL_HEADER, _LOCAL_MAGIC = 30, b"PK\x03\x04"
_HEADER_BYTES = 16384
_CHUNK = 1 << 20
_MAX_AXES = 32  # as many as any release of numpy takes
_TYPE = re.compile(r"[<>|=]?[?a-zA-Z]\d{0,9}(?:\[\d{0,6}[a-zA-Z]{1,2}\])?")
COPIES = 2
"""Reading data and dividing them takes so many times their size in memory."""


class _PickledError(ValueError):
    """Python objects."""


@dataclass(frozen=True)
class Header:
    """What an array says of itself, and `offset`, its bytes before the values."""

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool
    offset: int

    @property
    def num_bytes(self) -> int:
        """Of all values."""
        return math.prod(self.shape) * self.dtype.itemsize


PLAIN = "Save plain numbers or texts."
REWRITE = "Write the file anew with numpy.savez(path, x=..., y=...)."


class NpzMembers:
    """The arrays of `file`, by name; never unpickled (`pickle_remedy` says what to do with such). `rewrite`
    says how a damaged file comes to be anew.

    Raises:
        DataError: no readable file, or (from each method) a damaged array, one of Python objects, or one that
            does not fit into memory.
    """

    def __init__(self, file: Path, pickle_remedy: str = PLAIN, rewrite: str = REWRITE) -> None:
        self.file, self.pickle_remedy, self.rewrite = file, pickle_remedy, rewrite
        infos = self._table()
        self.names = [info.filename.removesuffix(".npy") for info in infos]
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise DataError(
                f"{quoted(file)} holds {twice[0]!r} {self.names.count(twice[0])} times, and only one can be "
                f"meant. {rewrite}"
            )
        self._infos = dict(zip(self.names, infos, strict=True))

    def header(self, name: str) -> Header:
        """Shape, type and order, from the first bytes alone; the bytes behind them suffice for it."""
        return self._checked(name, lambda: self._header(self._infos[name]))

    def read(self, name: str) -> np.ndarray:
        """The whole array."""
        header = self.header(name)
        self.check_memory([name])
        return self._checked(name, lambda: self._read(self._infos[name], header))

    def check_memory(self, names: list[str]) -> None:
        """Refuse arrays that together take more memory than is free, copies included."""
        needed = COPIES * sum(self.header(name).num_bytes for name in names)
        free = free_memory()
        if needed > free:
            what = f"The array '{names[0]}'" if len(names) == 1 else f"The {len(names)} arrays"
            raise DataError(
                f"{what} of {quoted(self.file)} would take {files.size_text(needed)} of memory, and "
                f"{files.size_text(free)} are free. Give fewer or smaller examples, free some memory, or "
                "(segmentation) leave the images on disk with dataset.cache false."
            )

    def rows(self, name: str) -> Callable[[int], np.ndarray] | None:
        """A function that reads array[i] from disk; None if the array is compressed, or its columns come
        first.

        Not a mapping: where a file shrinks while it is mapped, the process is killed.
        """
        info, header = self._infos[name], self.header(name)
        if info.compress_type != zipfile.ZIP_STORED or header.is_fortran or not header.shape:
            return None
        shape = header.shape[1:]
        size = math.prod(shape) * header.dtype.itemsize
        start = self._checked(name, lambda: self._start(info)) + header.offset

        def one(i: int) -> np.ndarray:
            with files.open_binary(self.file) as stream:
                stream.seek(start + i * size)
                raw = stream.read(size)
            if len(raw) < size:
                raise ValueError("the file has become shorter")
            return np.frombuffer(raw, header.dtype).reshape(shape)

        return lambda i: self._checked(name, lambda: one(i))

    def _table(self) -> list[zipfile.ZipInfo]:
        begin = b""
        try:
            with files.open_binary(self.file) as stream:
                begin = stream.read(len(_MAGIC))
                if begin == _MAGIC:
                    raise DataError(
                        f"{quoted(self.file)} holds a single array and no names, as numpy.save writes it. "
                        f"{self.rewrite}"
                    )
                with zipfile.ZipFile(stream) as archive:
                    return archive.infolist()
        except DataError:
            raise
        except OSError as error:
            raise DataError(f"{quoted(self.file)} cannot be read: {files.reason(error)}.") from error
        except Exception as error:  # zipfile raises many kinds for damaged archives, not one base of them
            what = "it is damaged or cut off" if begin.startswith(b"PK") else "it is none"
            raise DataError(
                f"{quoted(self.file)} cannot be read as an .npz file: {what}. {self.rewrite}"
            ) from error

    def _checked(self, name: str, read: Callable[[], Result]) -> Result:
        try:
            return read()
        except MemoryError:
            reason = "there is not enough memory to read it"
        except _PickledError:
            raise DataError(
                f"The array '{name}' of {quoted(self.file)} holds pickled Python objects, which are never "
                f"loaded: a pickle can run any code. {self.pickle_remedy}"
            ) from None
        except (OSError, EOFError, ValueError, OverflowError, struct.error) as error:
            reason = files.reason(error)
        except zlib.error:
            reason = "its compressed bytes make no sense"
        raise DataError(f"The array '{name}' of {quoted(self.file)} cannot be read: {reason}. {self.rewrite}")

    def _read(self, info: zipfile.ZipInfo, header: Header) -> np.ndarray:
        content = np.empty(info.file_size, np.uint8)
        checksum = done = 0
        for chunk in self._content(info):
            content[done : done + len(chunk)] = np.frombuffer(chunk, np.uint8)
            checksum, done = zlib.crc32(chunk, checksum), done + len(chunk)
        if done < info.file_size:
            raise ValueError("it is cut off")
        if checksum != info.CRC:
            raise ValueError("its checksum is wrong")
        values = np.require(content[header.offset :].view(header.dtype), requirements="A")
        if values.dtype == bool:  # a byte of 7 is true, and would become the number 7
            values = values.view(np.uint8) != 0
        return values.reshape(header.shape, order="F" if header.is_fortran else "C")

    def _content(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """The member's bytes in chunks, no more than the table of contents says."""
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if info.compress_type == zipfile.ZIP_DEFLATED else None
        left = info.file_size
        with files.open_binary(self.file) as stream:
            stream.seek(self._start(info))
            packed = info.compress_size
            waiting = b""
            while left > 0:
                if not waiting:
                    waiting = stream.read(min(_CHUNK, packed))
                    packed -= len(waiting)
                chunk = waiting if inflate is None else inflate.decompress(waiting, min(_CHUNK, left))
                waiting = b"" if inflate is None else inflate.unconsumed_tail
                if not chunk:
                    return
                left -= len(chunk)
                yield chunk

    def _header(self, info: zipfile.ZipInfo) -> Header:
        if info.flag_bits & 1:
            raise ValueError("it is encrypted")
        if info.compress_type not in _PLAIN:
            raise ValueError("it is compressed in a way that numpy.savez does not use")
        raw = b""
        for chunk in self._content(info):
            raw += chunk
            if len(raw) >= _HEADER_BYTES:
                break
        header = parse_header(raw)
        if header.offset + header.num_bytes != info.file_size:
            raise ValueError(
                f"it is damaged; its header says {header.dtype} {header.shape}, which are "
                f"{header.num_bytes:,} bytes, and it holds {info.file_size - header.offset:,}"
            )
        return header

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where the member's bytes begin, behind its local header."""
        with files.open_binary(self.file) as stream:
            stream.seek(info.header_offset)
            local = stream.read(_LOCAL_HEADER)
        if local[:4] != _LOCAL_MAGIC:
            raise ValueError("the archive's table of contents leads to something else")
        name_size, extra_size = struct.unpack("<HH", local[26:])
        return int(info.header_offset + _LOCAL_HEADER + name_size + extra_size)


def parse_header(raw: bytes) -> Header:
    """The header at the begin of an array's bytes.

    Not numpy's: that evaluates the text, and fails in a dozen ways, some of which advise to load it unsafely.

    Raises:
        ValueError: it is none, or not of plain values.
    """
    if raw[:6] != _MAGIC or len(raw) < 12:
        raise ValueError("it is no array")
    if raw[6] not in (1, 2, 3):
        raise ValueError(f"its format version {raw[6]}.{raw[7]} is not known")
    start = 10 if raw[6] == 1 else 12
    offset = start + int.from_bytes(raw[8:start], "little")
    text = raw[start:offset].decode("latin-1")
    descr = re.search(r"['\"]descr['\"]\s*:\s*(\[|\(|['\"]([^'\"]*)['\"])", text)
    order = re.search(r"['\"]fortran_order['\"]\s*:\s*(True|False)", text)
    shape = re.search(r"['\"]shape['\"]\s*:\s*\(([^)]*)\)", text)
    if offset > len(raw) or descr is None or order is None or shape is None:
        raise ValueError("its header makes no sense")
    if descr[2] is None:
        raise ValueError("it holds records of several fields, not numbers; save each field as an array")
    return Header(_shape(shape[1]), _dtype(descr[2]), order[1] == "True", offset)


def _shape(text: str) -> tuple[int, ...]:
    extents = [extent.strip().removesuffix("L") for extent in text.split(",")]
    if extents[-1] == "":
        extents.pop()
    if len(extents) > _MAX_AXES or not all(re.fullmatch(r"\d{1,18}", extent) for extent in extents):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise ValueError(f"its header says that its shape is ({shown}), which no array has")
    found = tuple(map(int, extents))
    if 0 in found[1:] and found[0]:
        raise ValueError(f"its shape is {found}, which holds no values")
    return found


def _dtype(descr: str) -> np.dtype:
    try:
        dtype = np.dtype(descr) if _TYPE.fullmatch(descr) else None
    except (TypeError, ValueError):
        dtype = None
    if dtype is None or (dtype.itemsize == 0 and not dtype.hasobject):
        raise ValueError(f"its header names the type '{descr[:40]}', which is none of values")
    if dtype.hasobject:
        raise _PickledError
    return dtype
