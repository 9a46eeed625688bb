"""Forward and backward of every operator on one core, in the memory layouts that a network can choose.

    python benchmarks/bench_operators.py [--filters 8 24] [--size 16] [--length 96] [--batch 64]

CPU milliseconds of one forward and backward pass in training mode, median of `--repeats`, per operator:
`NCHW` contiguous, `NHWC` channels last (series: as images of height 1), and their ratio.
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
