"""What a model on disk says of itself, `model.json`: the one writer and the one reader.

It carries a checksum of its own and (`FILES_KEY`) those of the files beside it: whatever was damaged, changed
or taken from another model is refused before it is used. Files of popnas 0.1.0 have neither and are read
without that proof; what they say is checked by type and range all the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from popnas import files
from popnas.cells import Cell
from popnas.errors import CellSyntaxError, RunFolderError
from popnas.networks.spec import NetworkSpec
from popnas.runs import identity
from popnas.storage import PROOF, proof, write_json

NAME = "model.json"
FILES_KEY = "files"
SIGNED = ("weights.safetensors", "model.onnx", "model.int8.onnx", "untrained.onnx", "config.json")
"""The files of a model's folder whose checksums stand in its description."""

MOST_CLASSES, MOST_FILTERS, MOST_MOTIFS, MOST_NORMAL_CELLS, MOST_BLOCKS = 65_536, 4096, 16, 100, 64
LONGEST = 2**31 - 1

REMEDY = "Put back this model's own copy of it, or save the model again (popnas export, train or select)."

Rule = Callable[[Any], bool]


def write(folder: Path, content: Mapping[str, Any], *, is_durable: bool = False) -> None:
    """Write a model's description: last, when its other files are whole. Raises StorageError."""
    sums = {name: _sum((folder / name).read_bytes()) for name in SIGNED if (folder / name).is_file()}
    write_json(folder / NAME, {**content, FILES_KEY: sums}, is_durable=is_durable, is_proven=True)


def read(folder: Path) -> dict[str, Any]:
    """The description in a model's folder.

    Raises:
        RunFolderError: it is missing, damaged, says what cannot be, or is of another run than the one in
            whose folder it lies.
    """
    path = folder / NAME
    try:
        data = files.read_bytes(path, limit=files.TEXT_LIMIT)
    except OSError as error:
        raise RunFolderError(f"cannot read {path}: {files.reason(error)}. {REMEDY}") from error
    content = parse(data, path)
    identity.check(path, content)
    return content


def parse(data: bytes, path: Path) -> dict[str, Any]:
    """The description in the content of the file at `path`; raises RunFolderError."""
    try:
        content = files.object_of(data)
    except OSError as error:
        raise RunFolderError(f"cannot read {path}: {files.reason(error)}. {REMEDY}") from error
    if content.pop(PROOF, None) not in (None, proof(content)):
        raise RunFolderError(
            f"{path} was changed or damaged outside popnas: it does not have its checksum. {REMEDY} If it "
            f"was changed on purpose, remove the line '{PROOF}' in it."
        )
    missing = [name for name in _MUST if name not in content]
    if missing:
        raise RunFolderError(f"{path} is not a model's: it has no {', '.join(missing)}. {REMEDY}")
    for name, rule in (_MUST | _MAY).items():
        if name in content and not rule(content[name]):
            raise _impossible(path, name, content[name])
    network = content["network"]
    for name, value in network.items():
        if not _NETWORK.get(name, _never)(value):
            raise _impossible(path, f"network.{name}", value)
    if lacking := {"macro", "input_shape", "num_classes"} - network.keys():
        raise RunFolderError(f"{path} has no 'network.{min(lacking)}'. {REMEDY}")
    _check_together(path, content)
    return content


def spec_of(content: Mapping[str, Any]) -> NetworkSpec:
    """The network that a description tells of."""
    return NetworkSpec(**content["network"])


def check_file(content: Mapping[str, Any], path: Path, data: bytes) -> None:
    """Raises RunFolderError unless `data`, of the file at `path`, are those that the model was saved with."""
    known = content.get(FILES_KEY, {}).get(path.name)
    if known is not None and known != _sum(data):
        raise RunFolderError(
            f"{path} is damaged, or another model's: it does not have the checksum that {NAME} beside it has "
            f"of it. {REMEDY} If it was changed on purpose, remove '{PROOF}' and its entry in '{FILES_KEY}' "
            f"of {NAME}."
        )


def check_beside(path: Path) -> None:
    """Raises RunFolderError if the file at `path` is one of a model's, and not as the model was saved."""
    if not files.is_file(path.parent / NAME):
        return
    try:
        content = read(path.parent)
    except RunFolderError:
        return  # whoever needs the model says so; the file by itself may be any
    check_file(content, path, files.read_bytes(path))


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _impossible(path: Path, name: str, value: Any) -> RunFolderError:
    shown = repr(value)
    return RunFolderError(
        f"{path} has {shown if len(shown) < 80 else shown[:77] + '...'} as its '{name}', which no model has. "
        f"{REMEDY}"
    )


def _check_together(path: Path, content: Mapping[str, Any]) -> None:
    """What one field says of another."""
    network, names = content["network"], content["class_names"]
    try:
        cell = Cell.parse(content["cell"])
    except CellSyntaxError as error:
        raise RunFolderError(f"{path}: {error} {REMEDY}") from None
    if len(cell.blocks) > MOST_BLOCKS:
        raise _impossible(path, "cell", content["cell"])
    if len(names) != network["num_classes"]:
        raise RunFolderError(f"{path} has {len(names)} names of {network['num_classes']} classes. {REMEDY}")
    given = content.get("preprocessing")
    if given is not None and {len(given["offset"]), len(given["scale"])} != {network["input_shape"][-1]}:
        raise _impossible(path, "preprocessing", given)
    if given is not None and given["has_lengths"] != network.get("has_lengths", False):
        raise _impossible(path, "preprocessing.has_lengths", given["has_lengths"])


def _never(value: Any) -> bool:
    return False


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond floats
        return False


def _from(least: int, most: int = LONGEST**2) -> Rule:
    return lambda value: type(value) is int and least <= value <= most


def _is_probability(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _or_none(rule: Rule) -> Rule:
    return lambda value: value is None or rule(value)


def _list_of(rule: Rule, least: int = 0, most: int = LONGEST) -> Rule:
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(rule, value))


def _mapping_of(rule: Rule) -> Rule:
    return lambda value: (
        isinstance(value, dict) and all(_is_text(key) and rule(item) for key, item in value.items())
    )


def _has(wanted: Mapping[str, Rule]) -> Rule:
    return lambda value: (
        isinstance(value, dict) and all(rule(value.get(name)) for name, rule in wanted.items())
    )


_is_mapping = _mapping_of(lambda value: True)
_is_shape = _list_of(lambda value: _is_text(value) or _from(1, LONGEST)(value), 1, 8)

_MUST: dict[str, Rule] = {
    "cell": _is_text,
    "network": _is_mapping,
    "class_names": _list_of(_is_text, 1, MOST_CLASSES),
}
_MAY: dict[str, Rule] = {
    "dataset": _has({"name": _or_none(_is_text), "path": _or_none(_is_text), "type": _is_text}),
    "preprocessing": _or_none(
        _has(
            {
                "offset": _list_of(_is_number, 1),
                "scale": _list_of(_is_number, 1),
                "has_lengths": _is_flag,
            }
        )
    ),
    "input": _has({"shape": _is_shape}),
    "output": _has({"shape": _is_shape}),
    "params": _from(0),
    "flops": _from(0, LONGEST**3),
    "stage": _is_text,
    "origin": _or_none(_is_text),
    "validation_metrics": _or_none(_mapping_of(_or_none(_is_number))),
    "score": _or_none(_is_number),
    "seed": _or_none(_from(0, 2**64)),
    "best_epoch": _from(1),
    "num_epochs": _from(1),
    "stopped": _or_none(_is_text),
    "onnx": _or_none(_is_mapping),
    "onnx_warning": _or_none(_is_text),
    "missing_views": _list_of(_is_text),
    "versions": _mapping_of(_is_text),
    "licence": _is_text,
    "measured": _has(
        {"file": _is_text, "split": _is_text, "accuracy": _is_probability, "num_samples": _from(1)}
    ),
    "int8": _has({"is_kept": _is_flag}),
    identity.KEY: _or_none(_is_text),
    FILES_KEY: _mapping_of(_is_text),
}
_NETWORK: dict[str, Rule] = {
    **{field.name: _is_flag for field in fields(NetworkSpec) if field.type == "bool"},
    "macro": _is_text,
    "input_shape": _list_of(_from(1, LONGEST), 2, 3),
    "num_classes": _from(1, MOST_CLASSES),
    "filters": _from(1, MOST_FILTERS),
    "motifs": _from(1, MOST_MOTIFS),
    "normal_cells_per_motif": _from(0, MOST_NORMAL_CELLS),
    "block_join_operator": lambda value: value in ("add", "avg"),
    "activation": _is_text,
    "drop_path": _is_probability,
    "softmax_dropout": _is_probability,
}
