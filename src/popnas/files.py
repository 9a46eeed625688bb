"""Paths and files that a user names, looked at before they are opened.

Whoever opens a named pipe waits for a writer that may never come, and a device may never end, or act when it
is touched. Every file of a user's is opened here; what is wrong comes as an OSError whose text is one clause
for a message ("it is a named pipe, not a file"), without the system's words around it.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from popnas.errors import UserError, closest
from popnas.printable import shortened
from popnas.records import JsonValue

TEXT_LIMIT = 64 * 2**20
"""Bytes of a text or JSON file; what is larger was not meant."""

_MOST_NAMES = 10_000
"""Of a folder that are compared with one that was mistyped."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_VARIABLE = re.compile(r"\$\w+|\$\{\w+\}|%[A-Za-z_]\w*%")
_DEEPEST = 50
_STREAM = re.compile(r"/dev/stdin|/dev/fd/\d+|/proc/self/fd/\d+")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_REASONS = {
    errno.ENOENT: "it does not exist",
    errno.ENOTDIR: "it does not exist, because a part of its path is a file",
    errno.EISDIR: "it is a folder, not a file",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "its links lead in a circle",
    errno.ENAMETOOLONG: "its name is longer than the file system allows",
    errno.EEXIST: "a part of its path is a file, not a folder",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "it would exceed the size limit of this process",
    errno.EIO: "the disk reports an error",
}
"""The system's errors in words, whether a file is read or written; `storage` knows what helps in writing."""


class UnreadableError(OSError):
    """A file that is not opened, or could not be read; its text is one clause."""

    def __str__(self) -> str:
        return str(self.args[1]) if len(self.args) > 1 else super().__str__()


def given(path: object, what: str) -> Path:
    """The path that a program hands over.

    Raises:
        UserError: neither a text nor a `pathlib.Path`, or an empty text, which would be the folder one is in.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if isinstance(text, str) and text:
        return Path(text)
    shown = repr(path) if isinstance(path, str) else f"{shortened(repr(path))} ({type(path).__name__})"
    raise UserError(f"{what} is given as a text or a pathlib.Path, got {shown}.")


def user_path(text: str | Path) -> Path:
    """The path with `~` replaced where that user is known; else it stays, and does not exist."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises for an unknown user


def not_here(text: str) -> str | None:
    """Why a text is no path here, whatever the disk holds, and what to write instead; None for any other."""
    address = _ADDRESS.match(text)
    if address is not None and address[1].lower() == "file":
        return f"is an address; write the path alone: {unquote(text[address.end() :]) or '/...'}"
    if address is not None:
        return "is an address, and nothing is fetched from the network: download it and write its path here"
    if exists(Path(text)):
        found = trouble(Path(text), may_be_folder=True)
        return None if found is None else f"cannot be read: {found}"
    if text != text.strip() and exists(Path(text.strip())):
        return f"does not exist; without the spaces around it, '{text.strip()}' does"
    if _VARIABLE.search(text) is not None:
        return "holds a variable, which a shell fills in, and nothing here does: write what it stands for"
    if text.startswith("~") and str(user_path(text)).startswith("~"):
        name = Path(text).parts[0][1:]
        return f"does not exist: there is no user '{name}' whose folder '~' could be; write the whole path"
    return None


def near(path: Path) -> str | None:
    """What exists and is most like a path that does not; None if nothing is near."""
    existing, rest = path, list[str]()
    while not exists(existing) and existing != existing.parent:
        rest.insert(0, existing.name)
        existing = existing.parent
    for place, wanted in enumerate(rest):
        match = closest(wanted, _names_in(existing, is_hidden=wanted.startswith(".")))
        if match is None:
            return None if place == 0 else str(existing)
        existing /= match
        if exists(existing.joinpath(*rest[place + 1 :])):
            return str(existing.joinpath(*rest[place + 1 :]))
    return str(existing) if rest else None


def near_hint(path: Path) -> str:
    """ " Did you mean 'data/mine.json'?", or "" if nothing is near."""
    found = near(path)
    return "" if found is None else f" Did you mean '{found}'?"


def missing(path: Path) -> str:
    """What to say of a path at which what is wanted is not: "does not exist. Did you mean 'x'?", or that a
    file is where a folder is wanted, or a folder where a file is."""
    what = not_here(str(path))
    if what is None and exists(path):
        return "is a folder, not a file." if is_folder(path) else "is a file, not a folder."
    return f"{what or 'does not exist'}.{near_hint(path)}"


def _names_in(folder: Path, *, is_hidden: bool) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in itertools.islice(entries, _MOST_NAMES)]
    except OSError:
        return []
    return sorted(name for name in names if name.startswith(".") == is_hidden)


def exists(path: Path) -> bool:
    """Whether anything is at the path; False as well where that cannot be known, whatever the path."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for names that are too long


def is_folder(path: Path) -> bool:
    """Whether a folder, or a link to one, is at the path; False where that cannot be known."""
    return os.path.isdir(path)  # noqa: PTH112 - as `exists`


def is_file(path: Path) -> bool:
    """Whether a regular file, or a link to one, is at the path; False where that cannot be known."""
    return os.path.isfile(path)  # noqa: PTH113 - as `exists`


def not_to_be_replaced(path: Path) -> str | None:
    """What a path leads to that no file may take the place of (a device, a pipe), in words; None: a file, a
    folder or nothing."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return None if stat.S_ISDIR(mode) else _wrong_kind(mode)


def is_named(path: Path) -> bool:
    """Whether the path's folder has that name, whatever it leads to: a file, a pipe, a broken link."""
    try:
        return os.path.lexists(path)
    except ValueError:  # a NUL byte
        return False


def reason(error: BaseException) -> str:
    """Why a file could not be opened, read or written, as a clause without path and number of the error."""
    if isinstance(error, UnreadableError) or not isinstance(error, OSError) or not error.strerror:
        return str(error) or type(error).__name__
    return _REASONS.get(error.errno or 0, error.strerror[:1].lower() + error.strerror[1:])


def trouble(path: Path, *, may_be_folder: bool = False) -> str | None:
    """Why the path cannot be opened as a file (or looked into as a folder), as a clause; None if it can, as
    far as can be seen.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - as `exists`
    except FileNotFoundError:
        return "it is a link to something that does not exist" if path.is_symlink() else "it does not exist"
    except ValueError:
        return "its name holds a NUL byte, which no file's name can"
    except OSError as error:
        return reason(error)
    return None if may_be_folder and stat.S_ISDIR(mode) else _wrong_kind(mode)


def open_binary(path: Path, *, may_be_stream: bool = False) -> BinaryIO:
    """An existing regular file, opened for reading; or (`may_be_stream`) what a shell hands over as
    `/dev/stdin` or by `<(command)`.

    Raises:
        UnreadableError: it cannot be opened, or is something else than a file.
    """
    is_stream = may_be_stream and _STREAM.fullmatch(str(path)) is not None
    found = None if is_stream else trouble(path)
    if found is not None:
        raise UnreadableError(errno.EINVAL, found)
    # Not blocking: it may have become a pipe since it was looked at.
    flags = os.O_RDONLY | os.O_CLOEXEC | (0 if is_stream else os.O_NONBLOCK)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        raise UnreadableError(error.errno, reason(error)) from error
    wrong = None if is_stream else _wrong_kind(os.fstat(handle).st_mode)
    if wrong is not None:
        os.close(handle)
        raise UnreadableError(errno.EINVAL, wrong)
    return os.fdopen(handle, "rb")


def read_bytes(path: Path, *, limit: int | None = None, may_be_stream: bool = False) -> bytes:
    """The content of a file of at most `limit` bytes.

    Raises:
        UnreadableError: it cannot be read, is no file, or is larger.
    """
    with open_binary(path, may_be_stream=may_be_stream) as file:
        try:
            content = file.read() if limit is None else file.read(limit + 1)
        except OSError as error:
            raise UnreadableError(error.errno, reason(error)) from error
        except MemoryError:
            raise UnreadableError(errno.ENOMEM, "it is larger than the memory that is free") from None
    if limit is not None and len(content) > limit:
        raise UnreadableError(errno.EFBIG, f"it is larger than {size_text(limit)}, which no such file is")
    return content


def read_text(path: Path, *, limit: int = TEXT_LIMIT, may_be_stream: bool = False) -> str:
    """The text of a UTF-8 file, without the mark that some editors put before it.

    Raises:
        UnreadableError: it cannot be read, is no file, is larger than `limit` bytes, or is no UTF-8 text.
    """
    return _text_of(read_bytes(path, limit=limit, may_be_stream=may_be_stream))


def _text_of(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        what = "it is UTF-16 text" if is_utf_16 else f"it is not UTF-8 text (byte {error.start})"
        raise UnreadableError(errno.EILSEQ, f"{what}; save it as UTF-8") from None


def read_object(path: Path) -> dict[str, JsonValue]:
    """The object in a JSON file that a program wrote.

    Raises:
        UnreadableError: it cannot be read, or is something else.
    """
    return object_of(read_bytes(path, limit=TEXT_LIMIT))


def object_of(data: bytes) -> dict[str, JsonValue]:
    """The object in the content of a JSON file that a program wrote.

    Raises:
        UnreadableError: it is something else, or nested deeper than any program writes it.
    """
    try:
        content = json.loads(_text_of(data))
    except (ValueError, RecursionError):
        raise UnreadableError(errno.EILSEQ, "it is no JSON, or was cut off") from None
    if not isinstance(content, dict):
        raise UnreadableError(errno.EILSEQ, f"it holds {type(content).__name__}, not a JSON object")
    if _is_deeper(content, _DEEPEST):
        raise UnreadableError(errno.EILSEQ, f"it is nested more than {_DEEPEST} levels deep")
    return content


def _is_deeper(content: Any, most: int) -> bool:
    level = [content]
    for _ in range(most):
        level = [
            item
            for value in level
            for item in (value.values() if isinstance(value, dict) else value)
            if isinstance(item, dict | list)
        ]
    return bool(level)


def size_text(count: int) -> str:
    """Bytes for a message: `3.5 GiB`."""
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << shift:
            return f"{f'{count / (1 << shift):,.1f}'.removesuffix('.0')} {unit}"
    return f"{count} bytes"


def _wrong_kind(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    return f"it is {_KINDS.get(stat.S_IFMT(mode), 'no ordinary file')}, not a file"
