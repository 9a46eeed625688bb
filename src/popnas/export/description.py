"""What a model on disk says of itself, `model.json`: the one writer and the one reader.

It carries a checksum of its own and (`FILES_KEY`) those of the files beside it: whatever was damaged, changed
or taken from another model is refused before it is used. Files of popnas 0.1.0 have neither and are read
without that proof; what they say is checked by type and range all the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from popnas import files
from popnas.cells import Cell
from popnas.config import ArchitectureConfig, bounds
from popnas.datasets.preprocessing import ORIGINS
from popnas.errors import CellSyntaxError, RunFolderError
from popnas.export.model_values import FORMAT, ModelDescription
from popnas.networks.spec import STEMS, NetworkSpec
from popnas.printable import quoted
from popnas.records import FormError, Json, part
from popnas.runs import identity
from popnas.runs.stored.rules import (
    LONGEST,
    Rule,
    has,
    is_flag,
    is_number,
    is_object,
    is_share,
    is_text,
    list_of,
    mapping_of,
    or_none,
    shown,
    whole,
)
from popnas.storage import PROOF, proof, write_json

NAME = "model.json"
FILES_KEY = "files"
SIGNED = ("weights.safetensors", "model.onnx", "model.int8.onnx", "untrained.onnx", "config.json")
"""The files of a model's folder whose checksums stand in its description."""
DEPLOYED = (NAME, "model.onnx", "model.int8.onnx", "weights.safetensors", "README.md")
"""The files that an export writes."""

MOST_CLASSES, MOST_BLOCKS, MOST_MEMBERS = 65_536, 64, 32
"""Classes are counted in the data, cells may be given, and networks answer together: more than a
configuration asks for."""

REMEDY = (
    "Put back this model's own copy of it; or move the model's folder away, and the command that made it "
    "(popnas search -r, select, train or export) makes it again."
)


def write(folder: Path, model: ModelDescription, *, is_durable: bool = False) -> ModelDescription:
    """Write a model's description, last, when its other files are whole; returns it with their checksums.
    Raises StorageError."""
    sums = {name: _sum((folder / name).read_bytes()) for name in SIGNED if (folder / name).is_file()}
    model = replace(model, files=sums)
    write_json(folder / NAME, model.to_json(), is_durable=is_durable, is_proven=True)
    return model


def read(folder: Path) -> ModelDescription:
    """The description in a model's folder.

    Raises:
        RunFolderError: it is missing, damaged, says what cannot be, or is of another run than the one in
            whose folder it lies.
    """
    path = folder / NAME
    identity.check_place(path)
    try:
        data = files.read_bytes(path, limit=files.TEXT_LIMIT)
    except OSError as error:
        raise RunFolderError(f"cannot read {quoted(path)}: {files.reason(error)}. {REMEDY}") from error
    found = parse(data, path)
    identity.check(path, found.run)
    return found


def parse(data: bytes, path: Path) -> ModelDescription:
    """The description in the content of the file at `path`; raises RunFolderError."""
    try:
        content = files.object_of(data)
    except OSError as error:
        raise RunFolderError(f"cannot read {quoted(path)}: {files.reason(error)}. {REMEDY}") from error
    if content.pop(PROOF, None) not in (None, proof(content)):
        raise RunFolderError(
            f"{quoted(path)} was changed or damaged outside popnas: it does not have its checksum. {REMEDY} "
            f"If it was changed on purpose, remove the line '{PROOF}' in it."
        )
    _check_fields(path, content)
    try:
        model = ModelDescription.from_json(content)
    except FormError as error:
        raise RunFolderError(f"{quoted(path)} {error}, as no model has it. {REMEDY}") from None
    _check_together(path, model)
    return model


def _check_fields(path: Path, content: Json) -> None:
    """Raises RunFolderError unless every field is what a model can have there."""
    missing = [name for name in _MUST if name not in content]
    if missing:
        raise RunFolderError(f"{quoted(path)} is not a model's: it has no {', '.join(missing)}. {REMEDY}")
    if not whole(0, FORMAT)(content.get("format", 0)):
        raise RunFolderError(
            f"{quoted(path)} has the format {shown(content['format'])}, and this popnas knows {FORMAT} and "
            "those before. Install the popnas that wrote it, or a newer one."
        )
    for name, rule in (_MUST | _MAY).items():
        if name in content and not rule(content[name]):
            raise _impossible(path, name, content[name])
    _check_network(path, part(content, "network"), "network")
    members = content.get("members")
    for number, member in enumerate(members if isinstance(members, list) else []):
        _check_network(path, part(member, "network"), f"members.{number}.network")


def _check_network(path: Path, network: Json, place: str) -> None:
    for name, value in network.items():
        if not _NETWORK.get(name, _never)(value):
            raise _impossible(path, f"{place}.{name}", value)
    if lacking := {"macro", "input_shape", "num_classes"} - network.keys():
        raise RunFolderError(f"{quoted(path)} has no '{place}.{min(lacking)}'. {REMEDY}")


def check_file(model: ModelDescription, path: Path, data: bytes) -> None:
    """Raises RunFolderError unless `data`, of the file at `path`, are those that the model was saved with."""
    known = model.files.get(path.name)
    if known is not None and known != _sum(data):
        raise RunFolderError(
            f"{quoted(path)} is damaged, or another model's: it does not have the checksum that {NAME} "
            f"beside it has of it. {REMEDY} If it was changed on purpose, remove '{PROOF}' and its entry in "
            f"'{FILES_KEY}' of {NAME}."
        )


def check_beside(path: Path) -> None:
    """Raises RunFolderError if the file at `path` is one of a model's, and not as the model was saved."""
    if not files.is_file(path.parent / NAME):
        return
    try:
        model = read(path.parent)
    except RunFolderError:
        return  # whoever needs the model says so; the file by itself may be any
    identity.check_place(path)
    check_file(model, path, files.read_bytes(path))


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _impossible(path: Path, name: str, value: Any) -> RunFolderError:
    return RunFolderError(f"{quoted(path)} has {shown(value)} as its '{name}', which no model has. {REMEDY}")


def _check_together(path: Path, model: ModelDescription) -> None:
    """What one field says of another."""
    names, spec = model.class_names, model.network
    for text in (model.cell, *(member.cell for member in model.members or ())):
        try:
            cell = Cell.parse(text)
        except CellSyntaxError as error:
            raise RunFolderError(f"{quoted(path)}: {error} {REMEDY}") from None
        if len(cell.blocks) > MOST_BLOCKS:
            raise _impossible(path, "cell", text)
    for number, member in enumerate(model.members or ()):
        own = member.network
        form = (own.input_shape, own.num_classes, own.has_lengths)
        if form != (spec.input_shape, spec.num_classes, spec.has_lengths):
            raise _impossible(path, f"members.{number}.network", own.to_json())
    if len(names) != spec.num_classes:
        raise RunFolderError(f"{quoted(path)} has {len(names)} names of {spec.num_classes} classes. {REMEDY}")
    given = model.preprocessing
    if given is not None and {len(given.offset), len(given.scale)} != {spec.input_channels}:
        raise _impossible(path, "preprocessing", given.to_json())
    if given is not None and given.has_lengths != spec.has_lengths:
        raise _impossible(path, "preprocessing.has_lengths", given.has_lengths)


def _never(value: Any) -> bool:
    return False


_is_origin = has(
    {
        "kind": lambda value: value in ORIGINS,
        "white": whole(1, LONGEST),
        "resized": or_none(list_of(whole(1, LONGEST), 2, 2)),
    }
)
_is_shape = list_of(lambda value: is_text(value) or whole(1, LONGEST)(value), 1, 8)

_MUST: dict[str, Rule] = {
    "cell": is_text,
    "network": is_object,
    "class_names": list_of(is_text, 1, MOST_CLASSES),
}
_MAY: dict[str, Rule] = {
    "members": or_none(list_of(has({"cell": is_text, "network": is_object}), 1, MOST_MEMBERS)),
    "dataset": has({"name": or_none(is_text), "path": or_none(is_text), "type": is_text}),
    "preprocessing": or_none(
        has(
            {
                "offset": list_of(is_number, 1),
                "scale": list_of(is_number, 1),
                "has_lengths": is_flag,
            }
        )
    ),
    "input": has(
        {"shape": _is_shape, "origin": or_none(_is_origin), "how_to_make": or_none(list_of(is_text))}
    ),
    "output": has({"shape": _is_shape}),
    "params": whole(0),
    "flops": whole(0, LONGEST**3),
    "stage": is_text,
    "origin": or_none(is_text),
    "validation_metrics": or_none(mapping_of(or_none(is_number))),
    "score": or_none(is_number),
    "seed": or_none(whole(0, 2**64)),
    "best_epoch": whole(1),
    "num_epochs": whole(1),
    "stopped": or_none(is_text),
    "weights_of": or_none(is_text),
    "onnx": or_none(is_object),
    "onnx_warning": or_none(is_text),
    "missing_views": list_of(is_text),
    "versions": mapping_of(is_text),
    "licence": is_text,
    "measured": has(
        {
            "file": is_text,
            "split": is_text,
            "accuracy": is_share,
            "num_samples": whole(1),
            "metrics": or_none(mapping_of(is_share)),
        }
    ),
    "int8": has({"is_kept": is_flag}),
    identity.KEY: or_none(is_text),
    FILES_KEY: mapping_of(is_text),
}
_NETWORK: dict[str, Rule] = {
    **{field.name: is_flag for field in fields(NetworkSpec) if field.type == "bool"},
    "macro": is_text,
    "input_shape": list_of(whole(1, LONGEST), 2, 3),
    "num_classes": whole(1, MOST_CLASSES),
    **{
        name: whole(*bounds(ArchitectureConfig, name))
        for name in ("filters", "motifs", "normal_cells_per_motif")
    },
    "stem": lambda value: value in STEMS,
    "block_join_operator": lambda value: value in ("add", "avg"),
    "activation": is_text,
    "drop_path": is_share,
    "softmax_dropout": is_share,
}
