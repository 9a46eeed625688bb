"""A search's best cell without its weights is trained again, and what is told of it is true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from popnas.evaluation import Evaluation
from popnas.evaluators import BestModel
from popnas.evaluators.training import best_model
from popnas.events import JobEvent, Told


class _TrainedAgainError(Exception):
    pass


@pytest.mark.parametrize(
    ("content", "lack"),
    [(None, "No weights of the best cell are kept"), (b"x", "The weights kept of the best cell are damaged")],
)
def test_weights_never_kept_are_not_called_damaged(
    content: bytes | None, lack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights.safetensors"
    if content is not None:
        weights.write_bytes(content)
    monkeypatch.setattr(best_model.networks, "build", lambda *_: torch.nn.Linear(1, 1))
    best = Evaluation("[(-1, identity, -1, identity)]", 1, 0, is_exploration=False, seed=1, score=0.5)
    told: list[JobEvent] = []

    def evaluate_again() -> None:
        raise _TrainedAgainError

    unused: Any = None
    with pytest.raises(_TrainedAgainError):
        model = BestModel(best, tmp_path, weights, None, evaluate_again)
        best_model.write(model, unused, unused, unused, told.append)
    assert told == [Told(f"{lack}: it is trained again.")]
