"""What all candidates of a run share in a worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.networks.spec import NetworkSpec
from popnas.tasks import Task
from popnas.training import TrainingSettings


@dataclass(frozen=True)
class CandidateContext:
    """What all candidates of a run share, made once per worker. `folder` is the run folder."""

    config: RunConfig
    task: Task
    dataset: Dataset
    spec: NetworkSpec
    settings: TrainingSettings
    device: torch.device
    memory_format: torch.memory_format | None
    folder: Path
