"""Configurations of older versions of POPNAS, rewritten as `leftovers` tells in words.

Only what has one meaning today is changed, and every change is told; values that make no sense are left
to the messages of `load`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass

from popnas.config import leftovers, messages
from popnas.config.loading import Source, document_of
from popnas.printable import quoted
from popnas.records import Json, JsonValue

Document = dict[str, JsonValue]

_OLD_SQUEEZE = re.compile(r"(\d+) SE")


@dataclass(frozen=True)
class Migration:
    """The rewritten configuration, and a sentence for each change, with its place."""

    document: Json
    notes: tuple[str, ...]


def migrated(source: Source, *, is_whole: bool = True) -> Migration:
    """A configuration (or a partial one) of POPNAS 3.0 to 3.8 in the words of this version.

    Raises:
        ConfigError: it cannot be read. Whether what comes out is valid is for `load` to say.
    """
    document: Document = dict(copy.deepcopy(document_of(source, is_whole=is_whole)))
    notes: list[str] = []
    for rewrite in _REWRITES:
        rewrite(document, notes.append)
    return Migration(document, tuple(notes))


def _sections(document: Document, tell: Callable[[str], None]) -> None:
    for section in leftovers.SECTIONS:
        fields = document.get(section)
        if isinstance(fields, dict):
            del document[section]
            for key, value in fields.items():
                _move(document, f"{section}.{key}", key, value, tell)
            tell(f"{section}: removed, a section of POPNAS 3.0 to 3.4.")


def _move(document: Document, old: str, key: str, value: JsonValue, tell: Callable[[str], None]) -> None:
    homes = [home for home in messages.places_with(key) if home]
    if not homes:
        tell(f"{old}: removed, no field is called so any more; it was {messages.show(value)}.")
        return
    node: JsonValue = document
    for step in homes[0].split("."):
        node = node.setdefault(step, {}) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        tell(f"{old}: removed, as {homes[0]} is no object; it was {messages.show(value)}.")
    elif key in node:
        tell(f"{old}: removed, as {homes[0]}.{key} is given too; it was {messages.show(value)}.")
    else:
        node[key] = value
        tell(f"{old}: moved to {homes[0]}.{key}.")


def _resize(document: Document, tell: Callable[[str], None]) -> None:
    dataset = document.get("dataset")
    resize = dataset.get("resize") if isinstance(dataset, dict) else None
    if not isinstance(dataset, dict) or not isinstance(resize, dict) or "enabled" not in resize:
        return
    if resize.pop("enabled") is False:
        dataset["resize"] = None
        tell("dataset.resize: null, as dataset.resize.enabled was false.")
    else:
        tell("dataset.resize.enabled: removed; images are resized wherever dataset.resize is not null.")


def _augmentation(document: Document, tell: Callable[[str], None]) -> None:
    dataset = document.get("dataset")
    augmentation = dataset.get("data_augmentation") if isinstance(dataset, dict) else None
    if isinstance(augmentation, dict) and "perform_on_gpu" in augmentation:
        del augmentation["perform_on_gpu"]
        tell("dataset.data_augmentation.perform_on_gpu: removed; it is done on the device that trains.")


def _onnx(document: Document, tell: Callable[[str], None]) -> None:
    others = document.get("others")
    if isinstance(others, dict) and "save_children_as_onnx" in others:
        _move_within(others, "save_children_as_onnx", "save_children_models", tell)


def _move_within(others: Document, old: str, new: str, tell: Callable[[str], None]) -> None:
    value = others.pop(old)
    if new in others:
        tell(f"others.{old}: removed, as others.{new} is given too; it was {messages.show(value)}.")
    else:
        others[new] = value
        tell(f"others.{old}: is called others.{new} now.")


def _operators(document: Document, tell: Callable[[str], None]) -> None:
    space = document.get("search_space")
    operators = space.get("operators") if isinstance(space, dict) else None
    if not isinstance(operators, list):
        return
    for index, name in enumerate(operators):
        old = _OLD_SQUEEZE.fullmatch(name) if isinstance(name, str) else None
        if old is not None:
            operators[index] = f"{old[1]}r SE"
            tell(f"search_space.operators[{index}]: {quoted(name)} is written '{old[1]}r SE' now.")


_REWRITES: tuple[Callable[[Document, Callable[[str], None]], None], ...] = (
    _sections,
    _resize,
    _augmentation,
    _onnx,
    _operators,
)
