"""`checkpoint.pt`: all that a training needs to go on exactly as it would have gone."""

from __future__ import annotations

import hashlib
import io
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch

from popnas import files
from popnas.errors import RunFolderError
from popnas.printable import quoted
from popnas.runs import identity
from popnas.runs.stored.reading import is_there
from popnas.runs.stored.rules import Rule, has, is_amount, is_object, is_text, list_of, or_none, whole
from popnas.storage import write_bytes
from popnas.training import EpochRecord
from popnas.training.interfaces import TrainingSnapshot

_ZIP = b"PK"


class Checkpointed(TrainingSnapshot, total=False):
    """What the file holds: where the training stands; the wall seconds that it took in all, and of each epoch
    with all that belongs to it; why it was stopped, and which training it is of."""

    wall_seconds: float
    epoch_seconds: list[float]
    stopped: str | None
    training: str


@dataclass(frozen=True)
class Checkpoint:
    """The file at `path` of the training that `training` (a checksum of its cell and settings) stands for."""

    path: Path
    training: str

    def load(self) -> Checkpointed | None:
        """What was saved; None if nothing was.

        Raises:
            RunFolderError: it is damaged, or of another training.
        """
        if not is_there(self.path):
            return None
        identity.check_place(self.path)
        try:
            found = self._read()
        except OSError as error:
            raise RunFolderError(
                f"cannot read the checkpoint {quoted(self.path)}: {files.reason(error)}. Remove it to train "
                "this network anew."
            ) from error
        except Exception as error:  # torch raises many kinds for damaged files, and advises to unpickle them
            raise self.damaged() from error
        if found.get("training", self.training) != self.training:
            raise RunFolderError(
                f"the checkpoint {quoted(self.path)} is of another training. Put back this one's own, or "
                "remove it to train this network anew."
            )
        return found

    def save(self, content: Checkpointed) -> None:
        """Replace the file.

        Not synced: with epochs of a second that would cost as much as it saves when the power fails.

        Raises:
            StorageError: the disk refused.
        """
        stream = io.BytesIO()
        torch.save({**content, "training": self.training}, stream)
        # The checksum stands before it: torch reads changed values without a word.
        data = stream.getvalue()
        write_bytes(self.path, hashlib.sha256(data).hexdigest().encode() + b"\n" + data)

    def damaged(self) -> RunFolderError:
        """The error for what cannot be gone on from."""
        return RunFolderError(
            f"the checkpoint {quoted(self.path)} is damaged. Remove it to train this network anew."
        )

    def _read(self) -> Checkpointed:
        data = files.read_bytes(self.path)
        if not data.startswith(_ZIP):  # as popnas 0.1.0 wrote it
            digest, _, data = data.partition(b"\n")
            if digest.decode() != hashlib.sha256(data).hexdigest():
                raise ValueError("it does not have its checksum")
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if not isinstance(found, dict) or not all(
            rule(found[name]) if name in found else name not in _MUST for name, rule in _RULES.items()
        ):
            raise ValueError("it is not what a training saves")
        return cast(Checkpointed, found)


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in value.items()
    )


def _is_record(value: Any) -> bool:
    """An `EpochRecord` as an object; a loss may have become infinite. Figures that earlier versions did not
    measure may be missing, or None."""
    known = {field.name: field.default for field in fields(EpochRecord)}
    must = {name for name, default in known.items() if default is MISSING}
    if not isinstance(value, dict) or not must <= value.keys() <= known.keys():
        return False
    heads = value["head_metrics"]
    if not isinstance(heads, list) or not all(map(is_object, heads)):
        return False
    numbers = [value[name] for name in must - {"head_metrics"}]
    numbers += [number for name in value.keys() - must if (number := value[name]) is not None]
    numbers += [number for head in heads for number in head.values()]
    return all(type(number) in (int, float) for number in numbers)


_MUST: dict[str, Rule] = {
    "network": _is_state,
    "optimizer": has({"state": lambda value: isinstance(value, dict)}),
    "epochs": list_of(_is_record, 1),
    "best_epoch": whole(-1),
    "best_state": _is_state,
}
_RULES: dict[str, Rule] = {
    **_MUST,
    "averaged": _is_state,
    "wall_seconds": is_amount,
    "epoch_seconds": list_of(is_amount),
    "stopped": or_none(is_text),
    "training": is_text,
}
