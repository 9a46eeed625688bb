"""The final network of a segmentation run beside a plain U-Net and a DeepLabV3-like network.

The three have about the same number of parameters and are trained by the same loop (`training.fit`: the run's
loss, crops, flips, optimizer and schedule, training and validation images together) for the same seconds of
training, and answer for whole test images. The run's own cell is trained by `popnas train` for `--epochs`;
what that took is the time of the other two, whose schedules end with it. U-Net: Ronneberger et al. 2015,
with batch normalisation and "same" padding; DeepLabV3-like: Chen et al. 2017, residual blocks to an output
stride of 8, pyramid pooling with rates 3, 6, 12, one bilinear upsampling. The exported file is then asked for
the same classes as PyTorch on all test images, as they are and enlarged twice.

    popnas search -j run_seg_debug --set dataset.path=FOLDER --name seg
    python benchmarks/bench_segmentation.py --run logs/seg --epochs 40
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from popnas import tasks, training
from popnas.export.deployed import DeployedNetwork
from popnas.export.running import open_session
from popnas.layers import ConvBNAct, ImagePooling
from popnas.placement import Placement
from popnas.training import Course, Criteria, TrainingSettings
from popnas.workflows.models.evaluation import evaluate
from popnas.workflows.models.final_training import train
from popnas.workflows.models.folder import ModelFolder

NAME = "compared"


def conv(before: int, after: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> ConvBNAct:
    return ConvBNAct(2, before, after, kernel, stride=stride, dilation=dilation, activation="relu")


class Baseline(nn.Module):
    """What the loop asks of a network: one head."""

    head_weights = (1.0,)

    def set_progress(self, fraction: float) -> None:
        """Nothing here depends on it."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, ...]:
        return (self.logits(x),)


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


def num_params(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def of_params(make: Callable[[int], Baseline], wanted: int) -> Baseline:
    """The network whose width brings it nearest to so many parameters."""
    with torch.device("meta"):
        width = min(range(2, 129), key=lambda w: abs(num_params(make(w)) - wanted))
    return make(width)


class Comparison:
    """The baselines, trained and judged as the model in `folder` was."""

    def __init__(self, folder: ModelFolder) -> None:
        self.config = folder.config()
        self.task = tasks.get(self.config.dataset.type)
        self.data = folder.load_dataset(need_test=True)
        self.settings = TrainingSettings.from_config(self.config).replace(drop_path=0.0)
        filters = self.config.architecture_hyperparameters.filters
        self.placement = Placement.on("cpu", num_dims=2, filters=filters)

    def fit(self, network: Baseline, epochs: int) -> float:
        """Train; returns the training seconds."""
        data, task = self.data, self.task
        result = training.fit(
            network,
            task.train_loader(self.config, data, data.full_train, self.placement, seed=0),
            None,
            Criteria(task.loss(self.config, data), lambda: task.metrics(data.num_classes)),
            self.settings.replace(epochs=epochs, warmup=min(self.settings.warmup, epochs // 4)),
            self.placement,
            Course(seed=0),
        )
        return result.training_seconds

    @torch.inference_mode()
    def test(self, network: Baseline) -> dict[str, float]:
        network.eval()
        metrics = self.task.metrics(self.data.num_classes)
        for batch in self.task.evaluation_loader(self.config, self.data, self.data.test, self.placement):
            metrics.update(network(batch.x)[-1], batch.y)
        return metrics.compute()

    def compare(self, make: Callable[[int], Baseline], wanted: int, seconds: float) -> None:
        torch.manual_seed(0)
        epochs = max(1, round(seconds / self.fit(of_params(make, wanted), 1)))
        torch.manual_seed(0)
        network = of_params(make, wanted)
        used = self.fit(network, epochs)
        show(type(network).__name__, num_params(network), epochs, used, self.test(network))


@torch.inference_mode()
def agreement(folder: ModelFolder, factor: int) -> tuple[int, int]:
    """(pixels on which the exported file and PyTorch agree, pixels) over the test images, enlarged."""
    deployed = DeployedNetwork(folder.load_network().eval(), folder.preprocessing())
    session = open_session(folder.onnx, num_threads=1)
    equal = total = 0
    for image_HWC in folder.load_dataset(need_test=True).test.x:
        height, width = (factor * n for n in image_HWC.shape[:2])
        enlarged = np.asarray(Image.fromarray(image_HWC).resize((width, height), Image.Resampling.BILINEAR))
        x = np.moveaxis(enlarged, -1, 0)[None].astype(np.float32)
        found = session.run(["probabilities"], {"input": x})[0].argmax(1)
        equal += int((found == deployed(torch.from_numpy(x)).argmax(1).numpy()).sum())
        total += found.size
    return equal, total


def show(name: str, params: int, epochs: int, seconds: float, metrics: dict[str, float]) -> None:
    print(
        f"  {name:10s} {params:9,} params  {epochs:4d} epochs  {seconds:6.0f} s of training   test: "
        f"mean IoU {metrics['mean_iou']:.4f}, pixel accuracy {metrics['accuracy']:.4f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    if arguments.run is None:
        print("left out: --run must name a finished segmentation run")
        return
    # One thread: then seconds are the thread's CPU time, which other work on the machine does not stretch.
    torch.set_num_threads(1)
    partial = {"training_hyperparameters": {"epochs": arguments.epochs}}
    trained = train(arguments.run, partial=partial, name=NAME)
    (judged,) = evaluate(arguments.run, trained.folder)
    assert judged.result is not None, judged.skipped
    params, seconds = judged.result.model.description.params, trained.training_seconds
    show("popnas", params, trained.num_epochs, seconds, judged.metrics)
    print(f"    {judged.result.model.description.cell}")
    for factor in (1, 2):
        equal, total = agreement(ModelFolder(trained.folder), factor)
        print(
            f"    ONNX file: class of PyTorch on {equal / total:.6%} of {total:,} pixels, {factor}x the size"
        )
    comparison = Comparison(ModelFolder(trained.folder))
    channels, classes = comparison.data.input_shape[-1], comparison.data.num_classes
    comparison.compare(lambda width: UNet(channels, classes, width), params, seconds)
    comparison.compare(lambda width: DeepLab(channels, classes, width), params, seconds)


if __name__ == "__main__":
    main()
