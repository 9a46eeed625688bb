"""The files that a worker hands over beside its figures: weights, logs, summaries.

A worker does not know the run folder. It asks an `Artifacts` for a place by name (`of_candidate`,
`of_weights`), writes there and is done. Where workers see the driver's disk, the place is in the run folder
already (`InFolder`); elsewhere the files go with the result as text (`Carried`), and the driver puts them
into their places (`unpack`). Worker and driver call a place by the same name, in messages too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from popnas.errors import ExecutorError
from popnas.runs.journal import moved
from popnas.storage import TEMPORARY_PREFIX, storage_errors, write_bytes


def of_candidate(step: int, index: int) -> str:
    """The name of the folder of a candidate's own files."""
    return f"sampled_models/B{step}/{index}"


def of_round(step: int, round_number: int) -> str:
    """What files of a step's round have in their names: "B2"; of later rounds, counted from 1, "B2_R2"."""
    return f"B{step}_R{round_number + 1}" if round_number else f"B{step}"


WEIGHTS = "restore/weights"
"""The name of the folder in which the weights of cells that were the best of their time are kept until the
search ends."""


def of_weights(cell: str) -> str:
    """The name of the file of these weights, by the cell's canonical text."""
    digest = hashlib.sha256(cell.encode()).hexdigest()[:16]
    return f"{WEIGHTS}/{digest}.safetensors"


class Artifacts(ABC):
    """Takes the files of one candidate; a context manager."""

    @abstractmethod
    def place(self, name: str) -> Path:
        """Where to write the file or the folder of that name; the folders above it need not exist yet."""

    @abstractmethod
    def carried(self) -> dict[str, str]:
        """The files that must go with the result, by name, in base64; none where they are in their places."""

    def named(self, sentence: str) -> str:
        """A sentence about places, which speaks of their names instead."""
        return sentence.replace(f"{self.place('.')}/", "")

    def __enter__(self) -> Artifacts:
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027 - files that are in their places stay
        """Remove what was carried."""


class InFolder(Artifacts):
    """Files go straight into the run folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, name: str) -> Path:
        """See `Artifacts`.

        Raises:
            RunMovedError: the run folder is gone; it would be made again, with nothing in it but this.
        """
        if not self.root.is_dir():
            raise moved(self.root)
        return self.root / name

    def carried(self) -> dict[str, str]:
        """See `Artifacts`."""
        return {}


class Carried(Artifacts):
    """Files wait in a folder of the worker's machine until they go with the result; in `folder`, with which
    goes what a worker that is killed leaves there, None: with the system's temporary ones."""

    def __init__(self, folder: str | None = None) -> None:
        is_there = folder is not None and Path(folder).is_dir()  # temporary files may have been cleared
        self._folder = tempfile.TemporaryDirectory(
            prefix="popnas-candidate-", dir=folder if is_there else None
        )

    def place(self, name: str) -> Path:
        """See `Artifacts`."""
        return Path(self._folder.name) / name

    def carried(self) -> dict[str, str]:
        """See `Artifacts`."""
        root = self.place(".")
        with storage_errors(root):
            return {
                path.relative_to(root).as_posix(): base64.b64encode(path.read_bytes()).decode()
                for path in sorted(root.rglob("*"))
                if path.is_file() and not path.name.startswith(TEMPORARY_PREFIX)
            }

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def opened(root: str | None, folder: str | None = None) -> Artifacts:
    """What a worker is told as `root`: the run folder as it sees it, or None if it does not see it. `folder`:
    the job's own on the worker's machine (`executors.Worker`), if it has one."""
    return Carried(folder) if root is None else InFolder(Path(root))


def unpack(files: Mapping[str, str], root: Path, names: Sequence[str]) -> None:
    """Put carried files into their places in the run folder `root`; `names` are those that the job may have
    written, files or folders.

    Raises:
        ExecutorError: another name, or no base64: nothing of it is written.
        StorageError: the disk refused.
    """
    contents = {name: _decoded(name, text) for name, text in files.items()}
    for name in contents:
        _check_name(name, names)
    for name, content in contents.items():
        write_bytes(root / name, content)


def _check_name(name: str, names: Iterable[str]) -> None:
    path = PurePosixPath(name)
    is_plain = not path.is_absolute() and ".." not in path.parts and str(path) == name and "\\" not in name
    allowed = [PurePosixPath(known) for known in names]
    if not is_plain or not any(path == known or known in path.parents for known in allowed):
        raise ExecutorError(
            f"a worker handed over a file named {name!r}: a candidate may only write {', '.join(names)}"
        )


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise ExecutorError(f"the file {name!r} that a worker handed over is damaged: {error}") from None
