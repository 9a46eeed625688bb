"""Writes that leave the old file or the new one, never half of it, and say plainly when the disk refuses."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from popnas import files
from popnas.errors import RunFolderError, StorageError
from popnas.printable import printable, quoted
from popnas.records import Json

_WRONG_PLACE = {
    errno.EROFS: "mount it writable, or copy the run to a place that is",
    errno.EACCES: "make it writable for this user",
    errno.EPERM: "make it writable for this user",
    errno.ENOTDIR: "move that file away",
    errno.EEXIST: "move that file away",
    errno.EISDIR: "move it away",
    errno.ENOENT: "no folder can be made there",
    errno.ENAMETOOLONG: "take a shorter one",
    errno.ELOOP: "remove the link",
}
"""What helps where the place itself is wrong: another input would have avoided it."""
_REMEDIES = _WRONG_PLACE | {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise it (see `ulimit -f`)",
    errno.EIO: "see to it",
}


TEMPORARY_PREFIX, TEMPORARY_SUFFIX = ".popnas-", ".tmp"
"""Names of files that are being written. Only what bears both is ever cleaned away."""


@contextmanager
def storage_errors(path: Path, *, remedy: str = "") -> Iterator[None]:
    """Turn an OSError inside the block into a StorageError that names `path`, the reason and what helps.

    How the work goes on then (-r, the same command again) depends on the command, which tells it.
    """
    try:
        yield
    except OSError as error:
        helps = _REMEDIES.get(error.errno or 0, "check the disk") + (f", {remedy}" if remedy else "")
        raise StorageError(
            f"cannot write {quoted(path)}: {files.reason(error)}; {helps}.",
            is_wrong_place=error.errno in _WRONG_PLACE,
        ) from error


NOT_OFFERED = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.ENOSYS, errno.ENOLCK, errno.ENOTTY}
)
"""What a file system answers to a precaution that it does not know (CIFS, vboxsf, FUSE, Lustre, NFS)."""


def fsync(handle: int) -> None:
    """Wait until a file is on disk, where the file system can tell."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise


def fsync_directory(path: Path) -> None:
    """Make the names inside a directory survive a power loss, where the file system can; not a reason to
    fail."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        # A folder that may be written but not read is one of them, too.
        if error.errno in NOT_OFFERED | {errno.EACCES, errno.EPERM}:
            return
        raise
    try:
        fsync(handle)
    finally:
        os.close(handle)


def make_readable(handle: int, mode: int) -> None:
    """Give an open file or folder the permissions of any other that the user makes: temporary ones are made
    private. A file system without permissions (FAT, CIFS) has its own."""
    try:
        os.fchmod(handle, mode & ~umask())
    except OSError as error:
        if error.errno not in NOT_OFFERED | {errno.EPERM, errno.EACCES}:
            raise


def check_replaceable(path: Path) -> None:
    """Raises StorageError if a device or a pipe is at the path: a file in the place of /dev/null would harm
    the whole machine."""
    if (kind := files.not_to_be_replaced(path)) is not None:
        raise StorageError(
            f"cannot write {quoted(path)}: {kind}. Give the name of a file.", is_wrong_place=True
        )


def write_bytes(path: Path, data: bytes, *, is_durable: bool = False) -> None:
    """Replace `path` atomically, making its folder if needed; `is_durable`: a power loss cannot undo it.

    Raises:
        StorageError: the disk refused; the old file, if any, is intact. Or there is what is no file.
    """
    check_replaceable(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=TEMPORARY_SUFFIX, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                make_readable(stream.fileno(), 0o666)
                if is_durable:
                    fsync(stream.fileno())
            os.replace(name, path)  # noqa: PTH105 - both names in one call shows the atomic step
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        if is_durable:
            fsync_directory(path.parent)


def remove_temporary(folder: Path) -> None:
    """Remove the half-written files and folders that a killed process left in a folder, and nothing else."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


def write_text(path: Path, text: str, *, is_durable: bool = False) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode(), is_durable=is_durable)


PROOF = "sha256"
"""The field of a JSON object with the checksum of all others."""


def proof(value: Json) -> str:
    """The checksum of a JSON object, however it is laid out."""
    return hashlib.sha256(compact_json(value).encode()).hexdigest()


def write_json(path: Path, value: Any, *, is_durable: bool = False, is_proven: bool = False) -> None:
    """Replace `path` by an indented JSON document without NaN; `is_proven`: an object with its checksum."""
    if is_proven:
        value = {**plain(value), PROOF: proof(value)}
    write_text(path, json.dumps(plain(value), indent=2, allow_nan=False) + "\n", is_durable=is_durable)


_OF_FORMULAS = ("=", "+", "-", "@")


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Replace a CSV file atomically; None and non-finite numbers become empty cells, floats are exact.

    People and spreadsheets look at it: control characters of names are escaped, and a text that would be
    taken for a formula begins with an apostrophe, as one types it there."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_cell(name) for name in header])
    for row in rows:
        values = [plain(value) for value in row]
        assert len(values) == len(header), f"{path.name}: {len(values)} values for {len(header)} columns"
        writer.writerow(["" if value is None else _cell(value) for value in values])
    write_text(path, stream.getvalue())


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_OF_FORMULAS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def plain(value: Any) -> Any:
    """`value` as plain JSON types: numpy's become Python's, NaN and infinities become None."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def compact_json(value: Any) -> str:
    """One line, sorted keys, shortest floats, NaN and infinities as null: equal values give equal text."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def arrays_sha256(arrays: Mapping[str, np.ndarray]) -> str:
    """Digest of names, types, shapes and values (not of the file, whose zip headers hold clock times)."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}\x1f{array.dtype.str}\x1f{array.shape}\x1e".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Write an .npz durably and return its `arrays_sha256`."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    write_bytes(path, stream.getvalue(), is_durable=True)
    return arrays_sha256(arrays)


def load_arrays(path: Path, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Read an .npz written by `save_arrays`, never unpickling.

    Raises:
        RunFolderError: the file is missing, unreadable, or does not have the digest `sha256`.
    """
    try:
        # Opened here: numpy leaves a damaged file open.
        with files.open_binary(path) as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy raises many kinds for damaged archives
        reason = files.reason(error) if isinstance(error, OSError) else "it is damaged"
        raise RunFolderError(
            f"cannot read {quoted(path)}: {reason}. A run that has not finished makes it again when it is "
            "resumed."
        ) from error
    if sha256 is not None and arrays_sha256(arrays) != sha256:
        raise RunFolderError(
            f"{quoted(path)} does not hold what the journal says (its digest differs from {sha256})."
        )
    return arrays


def umask() -> int:
    """The permission bits that this process withholds from new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
