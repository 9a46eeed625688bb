"""What a test hands to workers that have a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from popnas.executors import Worker
from popnas.records import Json


def setup(payload: Json, worker: Worker) -> torch.device:
    return torch.device(worker.device or "cpu")


def evaluate(device: torch.device, payload: Json) -> Any:
    if payload.get("do") == "assert" and not Path(payload["marker"]).exists():
        Path(payload["marker"]).touch()
        torch.zeros(3, device=device)[torch.tensor([7], device=device)].cpu()  # no such place
    return {"sum": float(torch.ones(3, device=device).sum())}
