"""Forward and backward of every operator on one core, in the memory layouts that a network can choose.

python benchmarks/bench_operators.py [--filters 8 24] [--size 16] [--length 96] [--batch 64]

CPU milliseconds of one forward and backward pass in training mode, median of `--repeats`, per operator:
`NCHW` contiguous, `NHWC` channels last (series: as images of height 1), and their ratio.

Found so, on one core of an AMD EPYC (Zen 4) with PyTorch 2.13 and oneDNN, batch 64, 16x16 or 96 steps:
- Channels last wins for nearly every operator from 8 filters up: 3x3 pools 2 to 6 times, depthwise 5x5 2.8
  times, pointwise 1.7 to 2.3 times, 3x3 convolution 1.1 to 1.8 times; squeeze and excitation and attention
  are even. Whole training steps: 1.25 times at 8 filters, 1.4 times at 24 (images 32x32; series of 96
  steps, 12 channels).
- Series as images of height 1 with channels last: 1.3 to 3 times against conv1d and max_pool1d.
- LSTM: oneDNN's, in either batch order, takes 2.2 ms at 8 units and 96 steps, PyTorch's own loop 10 ms.
  oneDNN's GRU is not reachable from PyTorch: 10 ms. Tried and not kept: a GRU in Python with a hand-written
  gradient, 1.7 times faster than PyTorch's, not worth a second implementation that export and GPUs cannot
  use.
- Cropping an even pool's surplus by slices took 2 to 5 times the pool itself (backward: zeros and copies);
  by negative padding a small part of it. Instead of cropping, maxima of shifted maps: 4 to 6 times slower.
- Depthwise convolutions: oneDNN is 12 to 18 times faster than PyTorch's native kernels, transpose ones 1.3
  to 1.8.
- Attention: fused and spelled out take the same time at these widths.
- malloc thresholds (no trimming, no mmap): no difference beyond noise.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from popnas.operators import REGISTRY, Site, check_name, parse


def cpu_milliseconds(run: Callable[[], object], repeats: int) -> float:
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def measure(name: str, site: Site, batch: int, memory_format: torch.memory_format, repeats: int) -> float:
    torch.manual_seed(0)
    module = parse(name).build(site).train().to(memory_format=memory_format)
    height = (1,) if site.num_dims == 1 else ()
    x_BCHW = torch.randn(batch, site.in_channels, *height, *site.size).contiguous(memory_format=memory_format)
    x_BCHW.requires_grad_()

    def step() -> None:
        y_BCHW: Tensor = module(x_BCHW)
        y_BCHW.backward(torch.ones_like(y_BCHW))
        x_BCHW.grad = None

    return cpu_milliseconds(step, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--filters", type=int, nargs="+", default=[8, 24])
    parser.add_argument("--size", type=int, default=16, help="height and width of images")
    parser.add_argument("--length", type=int, default=96, help="timesteps of series")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", nargs="*", help="operators, e.g. '3x3 dconv'")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = arguments.only or [name for _, family in REGISTRY.items() for name in family.examples]
    print(f"{'operator':>14} {'dims':>4} {'filters':>7} {'stride':>6} {'NCHW':>8} {'NHWC':>8} {'ratio':>6}")
    for name in names:
        for num_dims, size in ((2, (arguments.size,) * 2), (1, (arguments.length,))):
            if check_name(name, num_dims) is not None:
                continue
            for filters in arguments.filters:
                for stride in (1, 2):
                    site = Site(num_dims, filters, filters * stride, stride, size)
                    plain, last = (
                        measure(name, site, arguments.batch, layout, arguments.repeats)
                        for layout in (torch.contiguous_format, torch.channels_last)
                    )
                    figures = f"{plain:>8.2f} {last:>8.2f} {plain / last:>6.2f}"
                    print(f"{name:>14} {num_dims:>4} {filters:>7} {stride:>6} {figures}")


if __name__ == "__main__":
    main()
