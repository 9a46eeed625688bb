"""The network of a search beside a ResNet-20-like and a MobileNetV2-like one: 10,000 images of Fashion-MNIST.

How they are compared: see `same_loop.py`. ResNet-20: He et al. 2016, three stages of three residual blocks.
MobileNetV2: Sandler et al. 2018, inverted residual blocks of expansion 6 around depthwise convolutions, with
few halvings, as is usual for small images. The training images are the first 10,000 of the official ones, a
tenth of which validates in the search; the test images are the official 10,000.

    POPNAS_SHARED=FOLDER python benchmarks/bench_images.py [--place FOLDER] [--seed N ...]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from same_loop import Baseline, Contest, conv, main, shared, small_search

NUM_EXAMPLES = 10_000
OPERATORS = ("identity", "3x3 conv", "3x3 dconv", "5x5 dconv", "1x3-3x1 conv", "2x2 maxpool")


class Residual(nn.Module):
    """Two 3x3 convolutions; what went in is added before the last activation."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(before, after, stride=stride), conv(after, after, activation=None))
        self.shortcut: nn.Module = nn.Identity()
        if (before, stride) != (after, 1):
            self.shortcut = conv(before, after, 1, stride=stride, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNet20(Baseline):
    """Three stages of three residual blocks, at the full size, half and a quarter of it."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = [conv(channels, width)]
        before = width
        for stage in range(3):
            for block in range(3):
                after = width << stage
                blocks.append(Residual(before, after, 2 if stage and not block else 1))
                before = after
        self.features = nn.Sequential(*blocks)
        self.classify = nn.Linear(before, classes)

    def logits(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x).mean((2, 3)))


class InvertedResidual(nn.Module):
    """1x1 convolution to `expansion` times the channels, depthwise 3x3, 1x1 back; the input is added."""

    def __init__(self, before: int, after: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = before * expansion
        self.is_added = (before, stride) == (after, 1)
        widen = [conv(before, inner, 1, activation="relu6")] if expansion > 1 else []
        depthwise = nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False)
        narrow = conv(inner, after, 1, activation=None)
        self.body = nn.Sequential(*widen, depthwise, nn.BatchNorm2d(inner), nn.ReLU6(), narrow)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.is_added else self.body(x)


class MobileNetV2(Baseline):
    """Ten inverted residual blocks in the proportions of the published one, two of them halve."""

    STAGES = ((1, 2, 1, 1), (6, 3, 2, 1), (6, 4, 3, 2), (6, 8, 4, 2))
    """Expansion, depth in half widths, blocks, stride of the first."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        before = 2 * width
        blocks: list[nn.Module] = [conv(channels, before, activation="relu6")]
        for expansion, halves, number, stride in self.STAGES:
            after = halves * width // 2
            for block in range(number):
                blocks.append(InvertedResidual(before, after, stride if not block else 1, expansion))
                before = after
        blocks.append(conv(before, 16 * width, 1, activation="relu6"))
        self.features = nn.Sequential(*blocks)
        self.classify = nn.Linear(16 * width, classes)

    def logits(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x).mean((2, 3)))


def part_of_fashion_mnist(place: Path) -> Path:
    """A file of the first training images and all test images."""
    path = place / "fashion_mnist_10000.npz"
    if not path.exists():
        with np.load(shared("fashion_mnist") / "fashion_mnist.npz") as whole:
            np.savez(
                path,
                x_train=whole["x_train"][:NUM_EXAMPLES],
                y_train=whole["y_train"][:NUM_EXAMPLES],
                x_test=whole["x_test"],
                y_test=whole["y_test"],
            )
    return path


def contest(place: Path) -> Contest:
    return Contest(
        search=small_search(
            OPERATORS,
            "accuracy",
            epochs=6,
            dataset={
                "type": "image_classification",
                "path": str(part_of_fashion_mnist(place)),
                "batch_size": 64,
                "validation_size": 0.1,
            },
            stem="half",
            filters=16,
        ),
        cells=4,
        selected_epochs=15,
        epochs=60,
        known={"ResNet-20": ResNet20, "MobileNetV2": MobileNetV2},
        shown=("accuracy",),
    )


if __name__ == "__main__":
    main(__doc__, contest)
