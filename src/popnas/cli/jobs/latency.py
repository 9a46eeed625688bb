"""`popnas latency`: how fast an ONNX file answers here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.options import json_option
from popnas.cli.terminal.output import echo, print_json, print_table

if TYPE_CHECKING:
    from popnas.export.latency import LatencyReport


class BatchSizes(click.ParamType):
    """`1,8,32`."""

    name = "sizes"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The sizes as numbers."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() and 0 < int(part) <= 65536 for part in parts):
            self.fail(f"'{value}' must be batch sizes from 1 to 65536 with commas between, such as 1,8,32.")
        return tuple(dict.fromkeys(int(part) for part in parts))


class Shape(click.ParamType):
    """`3x32x32`, or `NAME=3x32x32` for a file of several inputs."""

    name = "shape"

    def convert(
        self,
        value: str | tuple[str | None, tuple[int, ...]],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str | None, tuple[int, ...]]:
        """The input's name, if given, and the extents."""
        if isinstance(value, tuple):
            return value
        name, _, text = value.rpartition("=")
        parts = text.lower().split("x")
        if not all(part.isdecimal() and 0 < int(part) < 10**6 for part in parts):
            self.fail(f"'{value}' must be the extents of one sample without the batch, such as 3x32x32.")
        return name or None, tuple(map(int, parts))


@click.command("latency")
@click.argument("model", metavar="MODEL.onnx", type=click.Path(path_type=Path))
@click.option(
    "-d",
    "data",
    metavar="DATA",
    help="Real samples: .npz (x), .npy, a data set's folder, or a data set by name, such as digits.",
)
@click.option(
    "-i",
    "shapes",
    metavar="SHAPE",
    type=Shape(),
    multiple=True,
    help="Random samples of this shape, as the file takes them, without the batch: 3x32x32. With several "
    "inputs NAME=SHAPE, repeatable.",
)
@click.option(
    "-b",
    "batch_sizes",
    metavar="1,8,32",
    type=BatchSizes(),
    default=(1, 8, 32),
    help="Batch sizes.  [default: 1,8,32]",
)
@click.option(
    "-n",
    "num_runs",
    metavar="N",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Timed runs.",
)
@json_option
def command(
    model: Path,
    data: str | None,
    shapes: tuple[tuple[str | None, tuple[int, ...]], ...],
    batch_sizes: tuple[int, ...],
    num_runs: int,
    is_json: bool,
) -> None:
    """Time any ONNX file on this machine, on every provider of CPU, CUDA and TensorRT that is there.

    Wall time per batch after a warm-up, copies included. Without -d and -i the file's own shape is taken, if
    it fixes one.
    """
    if data is not None and shapes:
        raise click.UsageError("-d gives real samples, -i the shape of random ones: give one of the two.")
    from popnas.export import latency

    samples = None
    if data is not None:
        from popnas.workflows.data.latency_samples import read_samples

        samples = read_samples(data, latency.read_inputs(model))
    report = latency.measure(
        model, batch_sizes=batch_sizes, num_runs=num_runs, shapes=dict(shapes), samples=samples
    )
    if is_json:
        print_json(report.to_json())
        return
    _print(report)


def _print(report: LatencyReport) -> None:
    rows = [
        [
            item.provider,
            item.batch_size,
            f"{item.mean_milliseconds:.3f}",
            f"{item.median_milliseconds:.3f}",
            f"{item.p95_milliseconds:.3f}",
            f"{item.samples_per_second:,.0f}",
        ]
        for item in report.results
    ]
    echo(f"Providers here: {', '.join(report.providers)}. Input: {'; '.join(report.inputs)}")
    print_table(["provider", "batch", "mean ms", "median ms", "95 % ms", "samples/s"], rows)
    for provider, reason in report.unusable.items():
        echo(f"{provider}: {reason}", err=True)
