"""The memory that training is said to take (`networks/memory.py`) beside the peak that it really takes.

Each network trains three batches in a process of its own, one thread, after a tiny one of the same kind has
loaded what is loaded once; the peak of resident memory above that is compared. Linux only.

    python benchmarks/bench_memory.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

IMAGE, SERIES, PHOTO = (32, 32, 3), (400, 3), (120, 160, 3)
MIXED = (
    "[(-1, 3x3 conv, -2, identity);(-1, 2x2 maxpool, 0, 3x3 dconv);(-1, 1x3-3x1 conv, -2, 3x3 conv);"
    "(0, identity, 2, 3x3 dconv)]"
)
MIB = 2**20


def cases() -> Iterator[tuple[str, tuple[int, ...], str, int, int, int]]:
    """(cell, input shape, macro-architecture, filters, normal cells, batch size)."""

    def sym(operator: str) -> str:
        return f"[(-1, {operator}, -1, {operator})]"

    for name in (
        "identity", "3x3 conv", "3x3 dconv", "1x3-3x1 conv", "3x3:2z zconv", "3x3 tconv", "2x2 maxpool",
        "3x3 avgpool", "8r SE", "2k-1h-1b cvt", "3k-2h scvt",
    ):  # fmt: skip
        yield sym(name), IMAGE, "classification", 24, 2, 128
    yield MIXED, IMAGE, "classification", 24, 2, 128
    yield MIXED, IMAGE, "classification", 8, 1, 64
    yield sym("3x3 conv"), (8, 8, 1), "classification", 256, 2, 16
    yield "[]", IMAGE, "classification", 24, 2, 128
    for name in ("lstm", "gru", "7 conv", "7 dconv", "2 maxpool"):
        yield sym(name), SERIES, "classification", 24, 2, 64
    yield sym("lstm"), (3000, 1), "classification", 8, 1, 24
    yield sym("gru"), (1000, 6), "classification", 16, 1, 32
    yield "[(-1, lstm, -2, 7 conv);(0, gru, -1, 13 dconv)]", SERIES, "classification", 24, 2, 64
    for macro in ("segmentation_fixed", "segmentation_cells"):
        yield sym("3x3 conv"), PHOTO, macro, 16, 1, 8
        yield sym("2x2 maxpool"), PHOTO, macro, 16, 1, 8
        yield "[]", PHOTO, macro, 16, 1, 8


def measure(cell: str, shape: list[int], macro: str, filters: int, normal_cells: int, size: int) -> None:
    """Print [estimate, measured] in bytes; runs in the process of the case."""
    import torch
    from torch import nn

    from popnas import networks, training
    from popnas.cells import Cell
    from popnas.datasets.augmentation.batch import Batch
    from popnas.networks.memory import training_memory
    from popnas.networks.spec import NetworkSpec
    from popnas.placement import Placement
    from popnas.training import Course, Criteria, TrainingSettings

    torch.set_num_threads(1)
    parsed = Cell.parse(cell)
    spec = NetworkSpec(macro, tuple(shape), 10, filters=filters, normal_cells_per_motif=normal_cells)
    place = Placement.on("cpu", num_dims=spec.num_dims, filters=spec.filters)

    class Loader:
        def __init__(self, batch_size: int, num_batches: int) -> None:
            self.batch_size, self.num_batches = batch_size, num_batches

        def __len__(self) -> int:
            return self.num_batches

        def set_epoch(self, epoch: int) -> None:
            pass

        def __iter__(self) -> Iterator[Batch]:
            for _ in range(self.num_batches):
                x = torch.randn(self.batch_size, spec.input_channels, *spec.input_size)
                pixels = spec.input_size if macro.startswith("segmentation") else ()
                y = torch.randint(0, spec.num_classes, (self.batch_size, *pixels))
                yield Batch(place.laid_out(x), y, None)

    class Metrics:
        def update(self, logits: torch.Tensor, y: torch.Tensor) -> None:
            pass

        def compute(self) -> dict[str, float]:
            return {"accuracy": 0.5}

    def train(changed: NetworkSpec, batch_size: int, num_batches: int) -> None:
        training.fit(
            networks.build(parsed, changed),
            Loader(batch_size, num_batches),
            Loader(batch_size, 1),
            Criteria(nn.CrossEntropyLoss(), Metrics),
            TrainingSettings(epochs=1),
            place,
            Course(seed=0),
        )

    def resident(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024

    train(spec.replace(filters=2), 2, 1)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    train(spec, size, 3)
    measured = resident("VmHWM") - before
    print(json.dumps([training_memory(parsed, spec).peak(size), measured]))


def main() -> None:
    if len(sys.argv) > 1:
        measure(*json.loads(sys.argv[1]))
        return
    print(f"{'cell':<46} {'input':>14} {'batch':>5} {'said':>8} {'is':>8}  is / said")
    ratios = []
    for case in cases():
        command = [sys.executable, __file__, json.dumps(case)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        said, real = json.loads(answer)
        ratios.append(real / said)
        cell, shape, macro, *_, size = case
        what = f"{cell[:40]}{'...' if len(cell) > 40 else ''}{' S' if macro.startswith('seg') else ''}"
        shown = "x".join(map(str, shape))
        print(f"{what:<46} {shown:>14} {size:>5} {said / MIB:>6.0f} M {real / MIB:>6.0f} M  {ratios[-1]:.2f}")
    print(f"is / said: {min(ratios):.2f} to {max(ratios):.2f} over {len(ratios)} networks")


if __name__ == "__main__":
    main()
