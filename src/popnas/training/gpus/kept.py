"""Where what was measured is kept, and who is asked for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from popnas import files
from popnas.errors import StorageError
from popnas.process_state import one_at_a_time
from popnas.records import Record
from popnas.runs import told
from popnas.storage import write_json
from popnas.training.accelerated.turns import alone_on
from popnas.training.failures import release
from popnas.training.gpus import timed
from popnas.training.gpus.facts import DeviceFacts

_FILE = "devices.json"


@dataclass(frozen=True)
class _Kept(Record):
    devices: tuple[DeviceFacts, ...]


def of(device: torch.device, run: Path | None = None) -> DeviceFacts | None:
    """What is known of a GPU, measured now if nothing is; None of a CPU, or where measuring failed.

    `run`: whose folder says what it began with, and is told if it does not know yet.
    """
    if device.type != "cuda":
        return None
    kind = torch.cuda.get_device_name(device)
    return known(kind, run, lambda: _tried(device, kind))


def known(kind: str, run: Path | None, measure: Callable[[], DeviceFacts | None]) -> DeviceFacts | None:
    """What the run, or else this user, has of a kind of device, or else `measure` gives; both have it then,
    as far as the disk lets them. Of several processes of a machine the first measures, and the others take
    what it has kept."""
    places = [_of_user()] if run is None else [run / "restore" / _FILE, _of_user()]
    facts = [_of_kind(_read(place), kind) for place in places]
    if None not in facts:
        return facts[0]
    with one_at_a_time("measuring"):
        found = [_read(place) for place in places]
        facts = [_of_kind(kept, kind) for kept in found]
        chosen = next(filter(None, facts), None) or measure()
        for place, kept, own in zip(places, found, facts, strict=True):
            if chosen is not None and own is None:
                _write(place, (*kept, chosen))
    return chosen


def _of_kind(kept: Sequence[DeviceFacts], kind: str) -> DeviceFacts | None:
    return next((each for each in kept if _is_of(each, kind)), None)


def _is_of(facts: DeviceFacts, kind: str) -> bool:
    return (facts.kind, facts.version) == (kind, torch.__version__)


def _of_user() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "popnas" / _FILE


def _read(place: Path) -> tuple[DeviceFacts, ...]:
    """What lies there; nothing if that cannot be read: it is measured again."""
    try:
        kept = _Kept.from_json(files.read_object(place)).devices
    except (OSError, ValueError):
        return ()
    return tuple(each for each in kept if each.is_whole)


def _write(place: Path, kept: tuple[DeviceFacts, ...]) -> None:
    try:
        write_json(place, _Kept(kept).to_json())
    except (OSError, StorageError) as error:
        told.warning(f"what was measured of a device is not kept in {place}: {error}")


def _tried(device: torch.device, kind: str) -> DeviceFacts | None:
    try:
        with alone_on(device):
            return timed.measured(device, kind)
    except (RuntimeError, MemoryError) as error:
        told.warning(f"{kind} could not be measured, and is used by rule: {error}")
        return None
    finally:
        release(device)  # who measures may be no one who trains
