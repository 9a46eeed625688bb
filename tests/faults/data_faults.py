"""Data files that are broken or hostile: sound data of every format, and a seeded generator that spoils them.

    python tests/faults/data_faults.py --seed 1 --count 300      # through the real commands, prints a table

Each case is a pure function of (seed, number). What a sound popnas owes to each: exit status 0 or 2 within a
time limit and a memory limit, no traceback, a message that names the data, nothing written outside of the
folder it runs in, no code of the file run.
"""

from __future__ import annotations

import argparse
import io
import os
import pickle
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

bomb_bytes = 10**8
"""What a bomb unpacks to, about."""
TRAP = "the code of a data file ran"
"""What a pickle in a file prints and writes if it is loaded."""


@dataclass(frozen=True)
class Case:
    """A spoilt data set: where it lies, what was done to it, its task, and what is typed for it where that is
    not the path.
    """

    number: int
    path: Path
    what: str
    task: str
    typed: str = ""

    @property
    def argument(self) -> str:
        return self.typed or str(self.path)


def make(folder: Path, seed: int, number: int) -> Case:
    """Write case `number` into `folder`, which is empty."""
    rng = random.Random(f"{seed}/{number}")
    form = FORMS[number % len(FORMS)]
    return form(folder, rng, number)


# Arrays


def _images(rng: random.Random) -> dict[str, np.ndarray]:
    values = np.random.default_rng(rng.randrange(2**32))
    y = np.arange(24) % 3
    return {"x": values.integers(0, 256, (24, 8, 8, rng.choice((1, 3))), dtype=np.uint8), "y": y}


def _series(rng: random.Random) -> dict[str, np.ndarray]:
    values = np.random.default_rng(rng.randrange(2**32))
    x = values.normal(size=(24, 12, 2)).astype(rng.choice((np.float32, np.float64)))
    arrays = {"x": x, "y": np.arange(24) % 2}
    return arrays | ({"lengths": np.arange(24) % 5 + 6} if rng.random() < 0.3 else {})


def _masks(rng: random.Random) -> dict[str, np.ndarray]:
    values = np.random.default_rng(rng.randrange(2**32))
    x, y = values.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8), values.integers(0, 3, (8, 16, 16))
    if rng.random() < 0.5:
        return {"x": x, "y": y.astype(np.uint8)}
    pairs = [(x[i, : 8 + i], y[i, : 8 + i].astype(np.uint8)) for i in range(8)]
    return {f"{'xy'[k]}_{i}": pair[k] for i, pair in enumerate(pairs) for k in (0, 1)}


class _Trap:
    def __reduce__(self):
        return exec, (f"print({TRAP!r}); open('trap', 'w').close()",)


_DTYPES = (
    "?", "i1", "u1", "<i2", ">i4", "<u8", ">i8", "<f2", ">f4", "<f8", ">f8", "g", "<c8", "<c16", "S4", "S1",
    "U4", ">U3", "M8[s]", "M8[D]", "m8[ns]", "V3",
)  # fmt: skip
_ODD = (np.nan, np.inf, -np.inf, 1e39, -1e300, 1e-320, 256, -1, 2.5, 2**63, 1e30, 0)


def _retyped(array: np.ndarray, rng: random.Random) -> np.ndarray:
    dtype = np.dtype(rng.choice(_DTYPES))
    with np.errstate(all="ignore"):
        if dtype.kind in "V":
            return np.zeros(array.shape, dtype)
        if dtype.kind in "mM":
            return np.nan_to_num(array.astype("f8")).astype("i8").astype(dtype)
        return array.astype(dtype)


def _odd_values(array: np.ndarray, rng: random.Random) -> np.ndarray:
    array = array.astype("f8") if array.dtype.kind in "iubf" else array
    if array.dtype.kind == "f" and array.size:
        array.flat[rng.randrange(array.size) :: rng.choice((1, 3, 10**9))] = rng.choice(_ODD)
    return array


def _reshaped(array: np.ndarray, rng: random.Random) -> np.ndarray:
    return rng.choice(
        (
            lambda: array[..., None],
            lambda: array[0],
            lambda: np.asarray(array.flat[0]),
            lambda: array.reshape(-1),
            lambda: array[:0],
            lambda: array[:, :0] if array.ndim > 1 else array[:0],
            lambda: array[: len(array) - 1] if array.ndim else array,
            lambda: np.moveaxis(array, -1, 0) if array.ndim > 1 else array,
            lambda: np.asfortranarray(array),
            lambda: array[None],
            lambda: array.reshape(array.shape + (1,) * 20),
            lambda: np.zeros((10**12, 0, 3)),
            lambda: np.repeat(array, 1, axis=0) if array.ndim else array,
        )
    )()


def _record(array: np.ndarray, _: random.Random) -> np.ndarray:
    return np.zeros(array.shape, [("a", "<f4"), ("ü", "u1")])


def _nothing(array: np.ndarray, _: random.Random) -> np.ndarray:
    """No value at all, in everything or in one example."""
    return np.full(array.shape, np.nan)


def _mixed(array: np.ndarray, rng: random.Random) -> np.ndarray:
    """Labels of several types, as `numpy.array` makes texts of them."""
    found = rng.choice(
        ([1, "1", "a"], ["0", "1", "nan"], [True, "True", 1], ["1", "1.0", "01"], [1.0, 1.5, 2.0])
    )
    return np.array(found)[np.arange(array.size) % 3].reshape(array.shape)


def _texts(array: np.ndarray, rng: random.Random) -> np.ndarray:
    odd = [
        "a",
        "",
        " a",
        "\x1b[2J",
        "$x_1$",
        "a\nb",
        "<b>",
        "²",
        "é" * 30,
        "nan",
        "1e999",
        "9" * 400,
        "../../x",
    ]
    if rng.random() < 0.3:
        return np.array([b"\xff\xfe", b"ok", b"\xc3\x28"])[np.arange(array.size) % 3].reshape(array.shape)
    return np.array([rng.choice(odd) for _ in range(array.size)]).reshape(array.shape)


def _npy(array: np.ndarray, rng: random.Random) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), rng.choice(((1, 0), (2, 0), (3, 0), None)))
    return stream.getvalue()


_SHAPES = (
    "(1000000000000,)", "(-1, 8)", "(True, 8)", "(" + "9" * 300 + ",)", "(24, 16384, 16384, 3)", "()", "(0,)",
    "(9223372036854775807, 9223372036854775807)", "(24,)", "(24, 8.0)", "24", "(24L, 8L)", "None", "(24, 8",
    "(" + "1, " * 70 + ")", "[24]", "(" * 200,
)  # fmt: skip
_DESCRS = (
    "'|O'", "'<f8'", "[('a', '<f4')]", "'<U0'", "'|V0'", "'<U99999999'", "'|S2147483647'", "'x'", "''", "1",
    "'<f3'", "('<f8', (2,))", "'<M8[s]'", "'i4,i4'", "__import__('os').getcwd()", "[[[[[[[[]]]]]]]]", "'T'",
)  # fmt: skip


def _header(rng: random.Random) -> bytes:
    shape = rng.choice(_SHAPES) if rng.random() < 0.7 else "(24, 8, 8, 1)"
    descr = rng.choice(_DESCRS) if rng.random() < 0.5 else "'|u1'"
    text = f"{{'descr': {descr}, 'fortran_order': {rng.choice(('False', 'True', '0'))}, 'shape': {shape}, }}"
    if rng.random() < 0.2:
        text = rng.choice(("", "{", "[" * 5000, "{'descr': 1}", "\x00" * 50, "a" * 20000, "lambda: 0"))
    raw = text.encode()
    major = rng.choice((0, 1, 1, 1, 2, 3, 9, 255))
    size = struct.pack("<H", len(raw) % 65536) if major < 2 else struct.pack("<I", len(raw))
    if rng.random() < 0.1:
        size = b"\xff" * len(size)
    return b"\x93NUMPY" + bytes([major, rng.choice((0, 0, 7))]) + size + raw


def _member_fault(name: str, array: np.ndarray, rng: random.Random) -> tuple[str, bytes]:
    """A member's bytes with something wrong inside, and its name."""
    kind = rng.choice(("header", "garbage", "empty", "cut", "long", "flip", "pickle", "text", "magic"))
    data = _npy(array, rng)
    if kind == "header":
        data = _header(rng) + rng.randbytes(rng.choice((0, 100, 1536, 12288)))
    if kind == "garbage":
        data = rng.randbytes(rng.randrange(1, 300))
    if kind == "empty":
        data = b""
    if kind == "cut":
        data = data[: rng.randrange(len(data))]
    if kind == "long":
        data += rng.randbytes(rng.choice((1, 1000)))
    if kind == "flip":
        data = _flipped(data, rng, 128)
    if kind == "pickle":
        stream = io.BytesIO()
        np.lib.format.write_array(stream, np.array([_Trap()] * 24, dtype=object), allow_pickle=True)
        data = rng.choice((stream.getvalue(), pickle.dumps(_Trap())))
    if kind == "text":
        data = b"just a text"
    if kind == "magic":
        data = b"\x93NUMPY"
    return f"{name}: member {kind}", data


def _flipped(data: bytes, rng: random.Random, within: int | None = None) -> bytes:
    found = bytearray(data)
    for _ in range(rng.choice((1, 3, 30))):
        if found:
            found[rng.randrange(min(len(found), within or len(found)))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _spoilt_archive(path: Path, arrays: dict[str, np.ndarray], rng: random.Random) -> str:
    """Write an archive with something wrong; says what."""
    kind = rng.choice(("array", "array", "array", "member", "member", "names", "archive", "archive", "bomb"))
    name = rng.choice(list(arrays)[:4])
    what = kind
    members = {}
    if kind == "array":
        change = rng.choice((_retyped, _odd_values, _reshaped, _record, _texts, _nothing, _mixed))
        arrays = arrays | {name: change(arrays[name], rng)}
        what = f"{name}: {change.__name__} {arrays[name].dtype} {arrays[name].shape}"
    for key, array in arrays.items():
        members[f"{key}.npy"] = _npy(array, rng)
    if kind == "member":
        what, members[f"{name}.npy"] = _member_fault(name, arrays[name], rng)
    if kind == "bomb":
        what, members = _bomb(name, members, rng)
    with zipfile.ZipFile(path, "w", rng.choice((0, zipfile.ZIP_DEFLATED))) as archive:
        for key, data in members.items():
            with archive.open(zipfile.ZipInfo(key), "w", force_zip64=rng.random() < 0.2) as stream:
                stream.write(data)
        if kind == "names":
            what = _odd_names(archive, members, rng)
    if kind == "archive":
        what = _spoil_bytes(path, rng)
    return what


def _bomb(name: str, members: dict[str, bytes], rng: random.Random) -> tuple[str, dict[str, bytes]]:
    """A header that asks for much, or real zeros that pack to little."""
    many = bomb_bytes
    shape = rng.choice(((100, 1000, many // 10**5), (many, 1, 1), (3 * many,), (24, 1024, many // 24576)))
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    zeros = bytes(int(np.prod(shape)))
    return f"{name}: bomb {shape}", members | {f"{name}.npy": head.getvalue() + zeros}


def _odd_names(archive: zipfile.ZipFile, members: dict[str, bytes], rng: random.Random) -> str:
    import warnings

    key = rng.choice(list(members))
    name = rng.choice(
        (key, "../../evil.npy", "/tmp/evil.npy", "ü.npy", "x", "a\nb.npy", ".npy", "x_.npy", "x_99.npy")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(name, members[key])
    return f"a member named {name!r} more"


def _spoil_bytes(path: Path, rng: random.Random) -> str:
    data = path.read_bytes()
    kind = rng.choice(("flip", "cut", "empty", "garbage", "prefix", "encrypted", "method", "middle", "npy"))
    if kind == "flip":
        data = _flipped(data, rng)
    if kind == "cut":
        data = data[: rng.randrange(len(data))]
    if kind == "empty":
        data = b""
    if kind == "garbage":
        data = rng.randbytes(500)
    if kind == "prefix":
        data = rng.randbytes(100) + data
    if kind in ("encrypted", "method"):
        found = bytearray(data)
        offset, value = (6, 1) if kind == "encrypted" else (8, rng.choice((1, 12, 14, 93, 99)))
        for magic, extra in ((b"PK\x01\x02", 2), (b"PK\x03\x04", 0)):
            at = found.find(magic)
            found[at + offset + extra] = value
        data = bytes(found)
    if kind == "middle":
        start = rng.randrange(len(data))
        data = data[:start] + data[start + rng.randrange(1, 200) :]
    if kind == "npy":
        data = _npy(np.zeros((24, 8, 8), np.uint8), rng)
    path.write_bytes(data)
    return f"archive {kind}"


def _npz(task: str, arrays: Callable[[random.Random], dict[str, np.ndarray]]) -> Callable[..., Case]:
    def form(folder: Path, rng: random.Random, number: int) -> Case:
        path = folder / "train.npz"
        if rng.random() < 0.08:
            np.savez(path, **arrays(rng))
            return Case(number, folder, _no_file(path, rng), task)
        what = _spoilt_archive(path, arrays(rng), rng)
        if rng.random() < 0.3:  # one file with all
            moved = path.rename(folder / "data.npz")
            return Case(number, moved, f"one file; {what}", task)
        return Case(number, folder, what, task)

    return form


# Things that are no files


def _no_file(path: Path, rng: random.Random) -> str:
    """Put something else where a file was."""
    path.unlink()
    kind = rng.choice(("fifo", "socket", "folder", "broken link", "loop", "device", "long"))
    if kind == "fifo":
        os.mkfifo(path)
    if kind == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket may have 108 bytes
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
        os.chdir(here)
    if kind == "folder":
        path.mkdir()
    if kind == "broken link":
        path.symlink_to("nowhere")
    if kind == "loop":
        path.symlink_to(path.name)
    if kind == "device":
        path.symlink_to(rng.choice(("/dev/zero", "/dev/null", "/dev/full")))
    if kind == "long":
        path.symlink_to("a" * 300 if rng.random() < 0.5 else "b" * 255)
    return f"{path.name} is a {kind}"


# Series as text


_LINES = (
    "1,2,x:a", "1,2", ":", "::a", "1,,2:a", "1,2,3:", "?:a", "nan,inf:a", "1e999,1:b", "1_0,2:a", "１,２:a",
    "(0,1),(1,2):a", "1,2:3,4,5:a", "1;2:a", "\x00\x00", "9" * 5000 + ":a", "1,2:" + "L" * 100000, "@data",
    "1,2:é", "@classLabel true q", "1 2 3:a", "1,2:a\x1b[2J", "-inf,1:b", "1e39,1e39:a",
    "1,5;2,5;3,5:a", "1.5;2.5:a", "1,2:1", "1,2:1.0", "NaN,NaN:a", "?,?:a", "1,2,3,4,5,6,7,8:",
)  # fmt: skip


def _ts(folder: Path, rng: random.Random, number: int) -> Case:
    values = np.random.default_rng(rng.randrange(2**32))
    lines = ["# made", "@problemName Two", "@classLabel true a b", "@univariate true", "@data"]
    for i in range(24):
        lines.append(",".join(f"{v:.3f}" for v in values.normal(size=8)) + f":{'ab'[i % 2]}")
    path = folder / "Two_TRAIN.ts"
    path.write_text("\n".join(lines))
    kind = rng.choice(
        (
            "line",
            "line",
            "line",
            "commas",
            "no values",
            "no header",
            "drop",
            "bytes",
            "cut",
            "empty",
            "no file",
            "utf-16",
            "binary",
        )
    )
    if kind == "no file":
        return Case(number, folder, _no_file(path, rng), "series")
    what = f"ts {kind}"
    if kind == "line":
        bad = rng.choice(_LINES)
        lines.insert(rng.randrange(len(lines)), bad)
        path.write_text("\n".join(lines))
        what = f"ts line {bad[:20]!r}"
    if kind in ("commas", "no values"):
        for i, line in enumerate(lines[5:], start=5):
            values, label = line.split(":")
            changed = "NaN," * 7 + "NaN" if kind == "no values" else values.replace(".", ",")
            lines[i] = f"{changed}:{label}"
    if kind == "no header":
        del lines[: rng.choice((4, 5))]
    if kind in ("commas", "no values", "no header"):
        path.write_text("\n".join(lines))
    if kind == "drop":
        del lines[rng.randrange(5)]
        path.write_text("\n".join(lines))
    if kind == "bytes":
        path.write_bytes(_flipped(path.read_bytes(), rng))
    if kind == "cut":
        path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])
    if kind == "empty":
        path.write_bytes(b"")
    if kind == "utf-16":
        path.write_text("\n".join(lines), encoding="utf-16")
    if kind == "binary":
        path.write_bytes(rng.randbytes(3000))
    return Case(number, rng.choice((folder, path)), what, "series")


# Image files


def _picture(rng: random.Random, mode: str, size: tuple[int, int] = (12, 10)) -> Image.Image:
    channels = {"RGB": 3, "L": 1, "RGBA": 4, "P": 1}[mode]
    pixels = np.frombuffer(rng.randbytes(size[0] * size[1] * channels), np.uint8)
    return Image.frombytes(mode, size, pixels.tobytes())


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    import zlib

    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _spoil_image(path: Path, rng: random.Random) -> str:
    """Spoil a PNG file (whatever its ending will say); says how."""
    data = path.read_bytes()
    kind = rng.choice(
        ("flip", "flip", "cut", "empty", "garbage", "text", "no file", "bomb", "huge", "deep", "zip",
         "ending", "eps", "zero", "many", "text chunk", "cmyk", "palette", "animated", "turned", "alpha",
         "cut jpeg", "no end", "name")
    )  # fmt: skip
    if kind == "no file":
        return _no_file(path, rng)
    if kind == "flip":
        path.write_bytes(_flipped(data, rng))
    if kind == "cut":
        path.write_bytes(data[: rng.randrange(len(data))])
    if kind in ("empty", "garbage", "text", "zip"):
        content = {
            "empty": b"",
            "garbage": rng.randbytes(300),
            "text": b"hello",
            "zip": b"PK\x05\x06" + bytes(18),
        }
        path.write_bytes(content[kind])
    if kind in ("bomb", "huge", "zero"):
        side = {"bomb": 12000, "huge": 2**31 - 1, "zero": 0}[kind]
        head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + _png_chunk(b"IHDR", head)
            + _png_chunk(b"IDAT", b"x\x9c")
            + _png_chunk(b"IEND", b"")
        )
    if kind == "deep":
        Image.fromarray(np.arange(120, dtype=np.uint16).reshape(10, 12) * 300).save(path)
    if kind == "ending":
        path.rename(path.with_suffix(rng.choice((".jpg", ".tif", ".gif", ".webp", ".bmp", ".jp2", ".tga"))))
    if kind == "eps":
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(trap) (w) file\n")
    if kind == "many":
        _picture(rng, "L").save(path, format="TIFF", save_all=True, append_images=[_picture(rng, "L")])
    if kind in ("cmyk", "cut jpeg"):
        _picture(rng, "RGB").convert("CMYK" if kind == "cmyk" else "RGB").save(path, format="JPEG")
    if kind == "cut jpeg":
        data = path.read_bytes()
        path.write_bytes(data[: rng.randrange(len(data) // 2, len(data))])
    if kind == "palette":
        _picture(rng, "RGB").quantize(5).save(path, transparency=rng.randrange(5))
    if kind == "animated":
        form = rng.choice(("GIF", "PNG", "WEBP"))
        _picture(rng, "RGB").save(path, format=form, save_all=True, append_images=[_picture(rng, "RGB")])
    if kind == "turned":
        exif = Image.Exif()
        exif[274] = rng.choice((0, 2, 3, 6, 8, 9))
        _picture(rng, "RGB").save(path, format=rng.choice(("JPEG", "PNG")), exif=exif)
    if kind == "alpha":
        _picture(rng, "RGBA").save(path)
    if kind == "no end":
        path.write_bytes(data[: -rng.choice((4, 12, 13, 20))])
    if kind == "name":
        name = rng.choice(
            ("a\nb", "\x1b[2J", "\r", "-", "é\u0301", "\u202egnp", "a" * 250, " ", "'", "%s{x}")
        )
        path.rename(path.with_name(f"{name}.png"))
    if kind == "text chunk":
        info = PngImagePlugin.PngInfo()
        info.add_text("a", "b" * 2 * 10**6, zip=True)
        _picture(rng, "L").save(path, pnginfo=info)
    return f"{path.name}: image {kind}"


def _class_folders(folder: Path, rng: random.Random, number: int) -> Case:
    for label in ("cat", "dog"):
        place = folder / "train" / label
        place.mkdir(parents=True)
        for i in range(8):
            _picture(rng, "RGB").save(place / f"{i}.png")
    if rng.random() < 0.8:
        what = _spoil_image(folder / "train" / rng.choice(("cat", "dog")) / f"{rng.randrange(8)}.png", rng)
    else:
        what = _spoil_folder(folder / "train", rng)
    return Case(number, folder, what, "image")


def _spoil_folder(place: Path, rng: random.Random) -> str:
    kind = rng.choice(
        ("empty class", "bytes name", "link back", "fifo class", "long name", "no classes", "odd name")
    )
    child = place / "more"
    if kind == "empty class":
        child.mkdir()
    if kind == "bytes name":
        name = os.fsencode(place) + b"/caf\xe9"
        os.mkdir(name)  # noqa: PTH102
        shutil.copy(next(place.rglob("*.png")), name + b"/0.png")
        shutil.copy(next(place.rglob("*.png")), name + b"/1.png")
    if kind == "link back":
        child.symlink_to(place)
    if kind == "fifo class":
        os.mkfifo(child)
    if kind in ("long name", "odd name"):
        child = place / (
            "a" * 250 if kind == "long name" else rng.choice(("a\nb", "\x1b[2J", "$x$", "<i>", "-rf", " "))
        )
        child.mkdir()
        for i in range(4):
            _picture(rng, "RGB").save(child / f"{i}.png")
    if kind == "no classes":
        shutil.rmtree(place)
        place.mkdir()
    return f"folder: {kind}"


def _mask_folders(folder: Path, rng: random.Random, number: int) -> Case:
    for kind in ("images", "masks"):
        place = folder / "train" / kind
        place.mkdir(parents=True)
        for i in range(8):
            picture = _picture(rng, "RGB", (16, 16))
            if kind == "masks":
                picture = Image.fromarray(np.array(picture)[..., 0] % 3)
            picture.save(place / f"{i}.png")
    choice = rng.random()
    if choice < 0.4:
        what = _spoil_image(
            folder / "train" / rng.choice(("images", "masks")) / f"{rng.randrange(8)}.png", rng
        )
    elif choice < 0.6:
        what = _spoil_table(folder, rng)
    elif choice < 0.8:
        file = folder / "train" / "masks" / f"{rng.randrange(8)}.png"
        kind = rng.choice(("P", "RGBA", "L", "RGB", "size", "gone", "float", "int"))
        if kind == "size":
            _picture(rng, "L", (5, 7)).save(file)
        elif kind == "gone":
            file.unlink()
        elif kind in ("float", "int"):
            dtype = np.float32 if kind == "float" else np.int32
            Image.fromarray(np.full((16, 16), -3, dtype)).save(file.with_suffix(".tif"))
            file.unlink()
        else:
            _picture(rng, kind, (16, 16)).save(file)
        what = f"mask {kind}"
    else:
        what = _spoil_folder(folder / "train" / rng.choice(("images", "masks")), rng)
    return Case(number, folder, what, "segmentation")


def _spoil_table(folder: Path, rng: random.Random) -> str:
    file = folder / rng.choice(("classes.txt", "colors.csv"))
    content = rng.choice(
        (b"", b"\xff\xfe\x00", b"a\nb\nc\n", b"1,2,3,4\n", b"1,2,3,99999999999999999999\n", b"1,2\n",
         b"\x00" * 50,
         b"0,0,0," + b"9" * 5000, b"x" * 200000, b'"' * 11, "²,1,1,1\n1,1,1,1".encode(), b"\n" * 100)
    )  # fmt: skip
    file.write_bytes(content)
    if rng.random() < 0.3:
        return _no_file(file, rng)
    return f"{file.name} holds {content[:12]!r}"


def _places(folder: Path, rng: random.Random, number: int) -> Case:
    """What is typed for the place of the data is none."""
    task = rng.choice(("image", "series", "segmentation"))
    path = folder / "data.npz"
    kind = rng.choice(("typed", "no file", "data of another kind", "inside"))
    if kind == "typed":
        typed = rng.choice(
            ("https://example.org/data.npz", "file:///nowhere/data.npz", "s3://bucket/data", "/dev/zero",
             "/dev/null", "/dev/stdin", "/dev/fd/0", "/proc", "/proc/self/mem", "/proc/self/environ", "/sys",
             "/dev", "-", "--", "-o", ".", "..", " ", "~nobody9/data", "$HOME9/data", "%DATA%", "a" * 300,
             "a/" * 1000 + "b", "no\nwhere", "\x1b[2Jnowhere", "'; echo x", "nowhere.npz", "digit")
        )  # fmt: skip
        return Case(number, Path(typed), f"typed {typed[:30]!r}", task, typed)
    path.write_bytes(b"")
    if kind == "no file":
        return Case(number, path, _no_file(path, rng), task)
    if kind == "inside":  # a file is no folder
        return Case(number, path / "train", "a place inside of a file", task)
    other = path.with_suffix(rng.choice((".zip", ".csv", ".h5", ".pkl", ".png", ".txt", ".NPZ", "")))
    path.rename(other).write_bytes(pickle.dumps(_Trap()))
    return Case(number, other, f"a file {other.suffix!r}", task)


FORMS = (
    _npz("image", _images),
    _npz("series", _series),
    _npz("segmentation", _masks),
    _ts,
    _class_folders,
    _mask_folders,
    _places,
    _npz("series", _series),
)


# The real commands


TASKS = {
    "image": "image_classification",
    "series": "time_series_classification",
    "segmentation": "image_segmentation",
}
PRESETS = {"image": "run_debug", "series": "run_debug", "segmentation": "run_seg_debug"}


def command(case: Case, verb: str) -> list[str]:
    """The arguments of `popnas` for a case."""
    kind = ["--type", TASKS[case.task]] if case.number % 2 else []
    if verb == "inspect":
        return ["dataset", "inspect", "-o", "page.html", *kind, "--", case.argument]
    if verb == "init":
        return ["init", "-o", "my.json", *kind, "--", case.argument]
    changes = [
        f"dataset.path={case.argument}", "dataset.name=null", "dataset.samples=null",
        "dataset.validation_size=0.25",
        f"dataset.type={TASKS[case.task]}", "dataset.batch_size=8", "dataset.resize=null",
        "dataset.ignore_class=null", "others.timing=simulated", "training_hyperparameters.epochs=1",
        "search_space.blocks=1", "others.executor.kind=inline",
    ]  # fmt: skip
    if case.task == "series":
        changes.append('search_space.operators=["identity","3 conv"]')
    if case.number % 3 == 0:
        changes.append("dataset.cache=false")
    sets = [part for change in changes for part in ("--set", change)]
    if verb == "plan":
        return ["plan", "-j", PRESETS[case.task], *sets]
    return ["search", "-j", PRESETS[case.task], *sets, "--name", "a"]


def printed(name: str) -> str:
    """A name as far as every message shows it: up to what a terminal must not get, or is too long."""
    return re.split(r"[^\x20-\x7e]", name)[0][:100]


def complaint(case: Case, status: int | str, output: str, folder: Path) -> str | None:
    """What is wrong with the answer to a case; None if nothing is."""
    if status == "timeout":
        return "no answer in time"
    if status not in (0, 2):
        return f"exit status {status}"
    if "Traceback" in output or "mistake in popnas" in output:
        return "a traceback"
    if "Warning: " in output and re.search(r"\w+Warning: ", output):
        return "a warning of a library"
    if TRAP in output or (folder / "trap").exists():
        return TRAP
    name = re.sub(r"\s+", " ", printed(case.path.name))
    if status == 2 and name not in re.sub(r"\s+", " ", output) and "dataset." not in output:
        return "the message does not name the data"
    return None


def run_case(
    case: Case, verb: str, popnas: str, folder: Path, *, seconds: float, memory: int
) -> tuple[str, str | None]:
    """Run one command in `folder` with limits on time and address space; its output and what is wrong."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    try:
        done = subprocess.run(
            [popnas, *command(case, verb)],
            cwd=folder, capture_output=True, timeout=seconds, preexec_fn=limit, stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return (error.stderr or b"").decode(errors="replace"), "no answer in time"
    output = (done.stdout + done.stderr).decode(errors="replace")
    return output, complaint(case, done.returncode, output, folder)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--verbs", default="inspect,init,plan", help="one of them per case, in turn")
    parser.add_argument("--popnas", default=str(Path(sys.executable).with_name("popnas")))
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument(
        "--gib", type=float, default=12, help="limit on address space; torch alone takes some"
    )
    given = parser.parse_args()
    verbs, faults, statuses = given.verbs.split(","), [], Counter()
    for number in range(given.first, given.first + given.count):
        with tempfile.TemporaryDirectory() as place:
            outside = Path(place)
            data, here = outside / "data", outside / "here"
            data.mkdir(), here.mkdir()
            case = make(data, given.seed, number)
            before = sorted(outside.rglob("*"))
            verb = verbs[number // len(FORMS) % len(verbs)]
            output, wrong = run_case(
                case, verb, given.popnas, here, seconds=given.seconds, memory=int(given.gib * 2**30)
            )
            after = [path for path in sorted(outside.rglob("*")) if here not in path.parents]
            if wrong is None and [path for path in before if here not in path.parents] != after:
                wrong = "something was written outside"
            statuses[wrong or "right"] += 1
            if wrong is not None:
                last = [line for line in output.splitlines() if line.strip()][-2:]
                faults.append(f"{number} {verb} {case.task}: {case.what}: {wrong}: {' | '.join(last)[:300]}")
                print(faults[-1], flush=True)  # noqa: T201
    print(f"seed {given.seed}, {given.count} cases from {given.first}: {dict(statuses)}")  # noqa: T201
    sys.exit(bool(faults))


if __name__ == "__main__":
    _main()
