"""Small stand-ins for a network, a loader, a loss and metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from popnas.placement import Placement
from popnas.training import Course, Criteria, TrainingSettings, fit
from popnas.training.results import TrainingResult

CPU = Placement(torch.device("cpu"))


class Batch(NamedTuple):
    x: Tensor
    y: Tensor
    lengths: Tensor | None


@dataclass
class Loader:
    """Blobs around one point per class; an epoch's order follows from its number, as with real loaders."""

    num_samples: int = 40
    batch_size: int = 16
    num_classes: int = 3
    channels: int = 2
    epoch: int = 0
    epochs_seen: list[int] = field(default_factory=list)
    before_batch: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.y = torch.arange(self.num_samples) % self.num_classes
        self.x = torch.randn((self.num_samples, self.channels, 4, 4), generator=generator)
        self.x += self.y[:, None, None, None] - 1.0

    def __len__(self) -> int:
        return -(-self.num_samples // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        self.epochs_seen.append(self.epoch)
        order = torch.randperm(self.num_samples, generator=torch.Generator().manual_seed(self.epoch))
        for chosen in order.split(self.batch_size):
            self.before_batch()
            yield Batch(self.x[chosen], self.y[chosen], None)


class TwoHeads(nn.Module):
    """A convolution, batch normalisation and dropout; a head on the middle and one on the end."""

    def __init__(self, num_classes: int = 3, channels: int = 2) -> None:
        super().__init__()
        self.head_weights = (0.25, 0.75)
        self.convolution = nn.Conv2d(channels, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.2)
        self.early = nn.Linear(8, num_classes)
        self.late = nn.Linear(8, num_classes)
        self.progress: list[float] = []
        self.inputs: list[Tensor] = []

    def forward(self, x_BCHW: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.inputs.append(x_BCHW)
        features_BC = functional.silu(self.norm(self.convolution(x_BCHW))).mean((2, 3))
        return self.early(features_BC), self.late(self.dropout(features_BC))

    def set_progress(self, fraction: float) -> None:
        self.progress.append(fraction)


class Accuracy:
    """Accuracy, and its complement, so that two metrics have their best at different epochs."""

    def __init__(self) -> None:
        self.correct, self.total = 0, 0

    def update(self, logits: Tensor, y: Tensor) -> None:
        self.correct += int((logits.argmax(1) == y).sum())
        self.total += len(y)

    def compute(self) -> dict[str, float]:
        accuracy = self.correct / self.total
        return {"accuracy": accuracy, "complement": 1.0 - accuracy}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As in a worker: with more, times are wall times, and tiny operations wait for each other's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_network() -> Callable[[], TwoHeads]:
    def make() -> TwoHeads:
        torch.manual_seed(3)
        return TwoHeads()

    return make


@pytest.fixture
def make_loader() -> type[Loader]:
    return Loader


@pytest.fixture
def train(make_network: Callable[[], TwoHeads]) -> Callable[..., TrainingResult]:
    """`fit` with stand-ins for whatever is not given."""

    def run(settings: TrainingSettings, **given: Any) -> TrainingResult:
        network = given.pop("network", None) or make_network()
        train_loader = given.pop("train_loader", None) or Loader()
        validation_loader = given.pop("validation_loader", Loader(num_samples=20))
        loss = given.pop("loss", functional.cross_entropy)
        make_metrics = given.pop("make_metrics", Accuracy)
        criteria = Criteria(loss, make_metrics)
        placement = given.pop("placement", CPU)
        course = Course(**{"seed": 1, **given})
        return fit(network, train_loader, validation_loader, criteria, settings, placement, course)

    return run
