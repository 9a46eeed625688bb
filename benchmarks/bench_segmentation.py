"""The network of a segmentation search beside a plain U-Net and a DeepLabV3-like one, on CamVid at 240x180.

How they are compared: see `same_loop.py`. U-Net: Ronneberger et al. 2015, with batch normalisation and "same"
padding; DeepLabV3-like: Chen et al. 2017, residual blocks to an output stride of 8, pyramid pooling with
rates 3, 6, 12, one bilinear upsampling. The exported file is then asked for the same classes as PyTorch on
all test images, as they are and enlarged twice.

    POPNAS_SHARED=FOLDER python benchmarks/bench_segmentation.py [--place FOLDER] [--seed N ...]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from popnas.export.deployed import DeployedNetwork
from popnas.export.running import open_session
from popnas.layers import ImagePooling
from popnas.workflows.models.folder import ModelFolder
from same_loop import Baseline, Contest, conv, main, shared, small_search

OPERATORS = ("identity", "3x3 conv", "3x3-3x3 conv", "3x3 dconv", "3x3:2dr dconv", "2x2 maxpool")


class UNet(Baseline):
    """Four halvings; two 3x3 convolutions on every level of the way down and up."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        before = [channels, *widths[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(conv(b, w), conv(w, w)) for b, w in zip(before, widths, strict=True)
        )
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.raise_ = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, 2) for low, high in pairs)
        self.up = nn.ModuleList(nn.Sequential(conv(2 * high, high), conv(high, high)) for _, high in pairs)
        self.classify = nn.Conv2d(width, classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        y = functional.pad(x, (0, -width % 16, 0, -height % 16))
        skips = []
        for level, block in enumerate(self.down):
            y = block(functional.max_pool2d(y, 2) if level else y)
            skips.append(y)
        for raise_, block, skip in zip(self.raise_, self.up, skips[-2::-1], strict=True):
            y = block(torch.cat([raise_(y), skip], dim=1))
        return self.classify(y)[:, :, :height, :width]


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, before: int, after: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(before, after, stride=stride, dilation=dilation), conv(after, after, dilation=dilation)
        )
        self.shortcut = (
            nn.Identity() if (before, stride) == (after, 1) else conv(before, after, 1, stride=stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class DeepLab(Baseline):
    """Residual blocks to an eighth of the size, pyramid pooling, one upsampling."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        w = width
        self.backbone = nn.Sequential(
            conv(channels, w, stride=2),
            Residual(w, w, 1),
            Residual(w, 2 * w, 2),
            Residual(2 * w, 2 * w, 1),
            Residual(2 * w, 4 * w, 2),
            Residual(4 * w, 4 * w, 1, dilation=2),
        )
        self.branches = nn.ModuleList(
            [conv(4 * w, w, 1), *(conv(4 * w, w, dilation=rate) for rate in (3, 6, 12))]
        )
        self.pooling = ImagePooling(2, 4 * w, w, "relu")
        self.classify = nn.Sequential(conv(5 * w, 2 * w, 1), nn.Conv2d(2 * w, classes, 1))

    def logits(self, x: Tensor) -> Tensor:
        y = self.backbone(x)
        y = torch.cat([*(branch(y) for branch in self.branches), self.pooling(y)], dim=1)
        return functional.interpolate(self.classify(y), x.shape[2:], mode="bilinear")


@torch.inference_mode()
def agreement(folder: ModelFolder, factor: int) -> tuple[int, int]:
    """(pixels on which the exported file and PyTorch agree, pixels) over the test images, enlarged."""
    deployed = DeployedNetwork(folder.load_network().eval(), folder.preprocessing())
    session = open_session(folder.onnx, num_threads=1)
    equal = total = 0
    test = folder.load_dataset(need_test=True).test
    assert test is not None
    for image_HWC in test.x:
        height, width = (factor * n for n in image_HWC.shape[:2])
        enlarged = np.asarray(Image.fromarray(image_HWC).resize((width, height), Image.Resampling.BILINEAR))
        x = np.moveaxis(enlarged, -1, 0)[None].astype(np.float32)
        found = session.run(["probabilities"], {"input": x})[0].argmax(1)
        equal += int((found == deployed(torch.from_numpy(x)).argmax(1).numpy()).sum())
        total += found.size
    return equal, total


def report_agreement(folder: ModelFolder) -> None:
    for factor in (1, 2):
        equal, total = agreement(folder, factor)
        print(
            f"    ONNX file: class of PyTorch on {equal / total:.6%} of {total:,} pixels, {factor}x the size"
        )


def contest(place: Path) -> Contest:
    return Contest(
        search=small_search(
            OPERATORS,
            "mean_iou",
            epochs=24,
            dataset={
                "type": "image_segmentation",
                "path": str(shared("camvid")),
                "batch_size": 16,
                "validation_size": None,
                "ignore_class": 11,
                "resize": {"width": 96, "height": 96},
            },
            stem="half",
        ),
        cells=4,
        selected_epochs=50,
        epochs=120,
        known={"U-Net": UNet, "DeepLab": DeepLab},
        shown=("mean_iou", "accuracy"),
    )


if __name__ == "__main__":
    main(__doc__, contest, report_agreement)
