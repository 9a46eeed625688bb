"""A second file with 8-bit convolutions and dense layers: smaller, faster where the processor has 8-bit
products, and measured before it is offered.

Static quantisation (Jacob et al. 2018): ranges of activations come from training samples, weights are scaled
per output channel. Recurrent layers, products of attention and transpose convolutions stay float32.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from popnas.datasets import Split
from popnas.errors import ExportError
from popnas.export.model_values import Int8Summary, Int8Times
from popnas.export.running import feeds, judged, open_session
from popnas.process_state import Shared, without_warnings
from popnas.storage import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, storage_errors

MAX_LOSS = 0.01
"""More than a point of accuracy lost, and the file is not offered."""

MIN_GAIN = 0.05
"""The share of a batch's time that a file which is not smaller must save to be offered: less is noise."""

NUM_CALIBRATION = 256
_BATCH = 32
_ROUNDS, _FEWEST_ROUNDS, _WARM_UPS = 15, 3, 2
_RACE_SECONDS = 5.0
"""Large networks run fewer rounds: of long batches a few tell enough."""


@dataclass(frozen=True)
class Int8Report:
    """What the int8 file costs and brings, beside the float32 file on the same samples.

    `is_kept`: whether the file is offered; `reason`: why not. Accuracies 0..1 on `num_samples` samples,
    `fp32_metrics` what else the float32 file reaches there (`running.Judged`);
    `milliseconds` per batch of `batch_size`, one thread of this machine, medians of interleaved runs.
    Everything is None that was not measured: times of a
    file that loses too much are not.
    """

    is_kept: bool
    reason: str | None
    num_calibration: int
    num_samples: int
    fp32_bytes: int
    fp32_accuracy: float
    bytes: int | None = None
    accuracy: float | None = None
    batch_size: int | None = None
    fp32_milliseconds: float | None = None
    milliseconds: float | None = None
    fp32_metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def accuracy_loss(self) -> float | None:
        """The accuracy lost to 8 bits; negative where it gained."""
        return None if self.accuracy is None else self.fp32_accuracy - self.accuracy

    @property
    def is_worse(self) -> bool:
        """Whether it loses more than is allowed."""
        return self.accuracy_loss is not None and self.accuracy_loss > MAX_LOSS

    def summary(self, name: str) -> Int8Summary:
        """As the deployment's description has it; `name`: the file's."""
        return Int8Summary(
            is_kept=self.is_kept,
            reason=self.reason,
            num_calibration=self.num_calibration,
            num_samples=self.num_samples,
            bytes=self.bytes,
            accuracy=self.accuracy,
            accuracy_loss=self.accuracy_loss,
            file=name if self.is_kept else None,
            times=Int8Times(self.batch_size, self.fp32_milliseconds, self.milliseconds),
        )

    def judged(self) -> Int8Report:
        """The same with `is_kept` and `reason`, once all is measured."""
        assert self.accuracy_loss is not None and self.bytes is not None
        if self.is_worse:
            reason = (
                f"it loses {100 * self.accuracy_loss:.2f} points of accuracy, more than {100 * MAX_LOSS:g}"
            )
            return replace(self, reason=reason)
        assert self.milliseconds is not None
        is_smaller = self.bytes < self.fp32_bytes
        is_faster = self.milliseconds <= (1 - MIN_GAIN) * (self.fp32_milliseconds or 0)
        if is_smaller or is_faster:
            return replace(self, is_kept=True)
        # Of small networks: what says how to scale takes more room than the weights save. The times of it
        # stand by themselves, because a deployment that is repeated gives the same but for them.
        return replace(
            self,
            reason=f"it would be neither smaller ({self.bytes:,} bytes, {self.fp32_bytes:,} in float32) nor "
            f"at least {MIN_GAIN:.0%} faster",
        )


def write_int8(
    fp32: Path, int8: Path, calibration: Split, judged_on: Split, why_not: str | None = None
) -> Int8Report:
    """Write the int8 form of the file `fp32` to `int8`, unless it loses more than `MAX_LOSS` of the accuracy
    on `judged_on`, or is neither smaller nor faster.

    `calibration`: training samples, of which the first `NUM_CALIBRATION` give the activations' ranges. What
    stood at `int8` before is removed in any case. `why_not`: what is known to stand against it; then it is
    not tried.

    Raises:
        StorageError: the file cannot be written.
    """
    with storage_errors(int8):
        int8.unlink(missing_ok=True)
    ranges_from = calibration.take(slice(0, NUM_CALIBRATION))
    reference = open_session(fp32)
    found = judged(reference, judged_on)
    report = Int8Report(
        is_kept=False,
        reason=None,
        num_calibration=len(ranges_from),
        num_samples=len(judged_on),
        fp32_bytes=fp32.stat().st_size,
        fp32_accuracy=found.accuracy,
        fp32_metrics=found.metrics,
    )
    if why_not is not None:
        return replace(report, reason=why_not)
    temporary = tempfile.TemporaryDirectory
    with storage_errors(int8), temporary(TEMPORARY_SUFFIX, TEMPORARY_PREFIX, int8.parent) as folder:
        part = Path(folder) / "model.int8.onnx"
        try:
            _quantize(fp32, part, ranges_from, Path(folder))
            session = open_session(part)
            accuracy = judged(session, judged_on).accuracy
        except OSError:
            raise
        except Exception as error:  # whatever the quantiser's and the runtime's layers raise
            return replace(report, reason=f"{type(error).__name__}: {error}".splitlines()[0])
        report = replace(report, bytes=part.stat().st_size, accuracy=accuracy)
        if not report.is_worse:  # how fast a file is that nobody gets is worth no seconds
            size, (fp32_milliseconds, milliseconds) = _race(reference, session, judged_on)
            report = replace(
                report, batch_size=size, fp32_milliseconds=fp32_milliseconds, milliseconds=milliseconds
            )
        report = report.judged()
        if report.is_kept:
            os.replace(part, int8)  # noqa: PTH105 - both names in one call shows the atomic step
        return report


def _quantize(fp32: Path, int8: Path, calibration: Split, folder: Path) -> None:
    plain = folder / "plain.onnx"
    _fold_constants(fp32, plain)
    nodes = _quantizable(onnx.load(plain))
    if not nodes:
        raise ExportError("the network has no convolution and no dense layer to quantise")
    with without_warnings(), _quiet():
        quantize_static(
            plain,
            int8,
            _Samples(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Seven bits for weights: processors without 8-bit dot products add pairs of products in 16 bits
            # and would overflow. So the accuracy measured here holds on every machine.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=nodes,
        )


def _fold_constants(path: Path, plain: Path) -> None:
    """Weights behind identities and sizes computed from constants become what they are: the quantiser looks
    only at initialisers."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(plain)
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _quantizable(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions and dense layers; a product of two activations (attention) is neither."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in constants
    ]


class _Samples(CalibrationDataReader):
    """The calibration samples, batch by batch."""

    def __init__(self, split: Split) -> None:
        self.batches = feeds(split, _BATCH)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch, None at the end."""
        return next(self.batches, None)


def _race(
    reference: onnxruntime.InferenceSession, session: onnxruntime.InferenceSession, split: Split
) -> tuple[int, tuple[float, float]]:
    """Batch size, and median milliseconds per batch of both, run in turns so that a busy moment hits both."""
    feed = next(feeds(split, _BATCH))
    seconds: tuple[list[float], list[float]] = ([], [])
    began = time.perf_counter()
    for number in range(_WARM_UPS + _ROUNDS):
        if number >= _WARM_UPS + _FEWEST_ROUNDS and time.perf_counter() - began > _RACE_SECONDS:
            break
        for runner, times in zip((reference, session), seconds, strict=True):
            started = time.perf_counter()
            runner.run(["probabilities"], feed)
            times.append(time.perf_counter() - started)
    fp32, int8 = (1e3 * float(np.median(times[_WARM_UPS:])) for times in seconds)
    return len(feed["input"]), (fp32, int8)


def _is_not_of_quantiser(record: logging.LogRecord) -> bool:
    return "onnxruntime" not in Path(record.pathname).parts


@Shared
@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser advises a preprocessing that we have done; it says so through the root logger, which
    gets a handler for good by that unless it has one."""
    root = logging.getLogger()
    stand_in = None if root.handlers else logging.lastResort
    root.addFilter(_is_not_of_quantiser)
    if stand_in is not None:
        root.addHandler(stand_in)
    try:
        yield
    finally:
        root.removeFilter(_is_not_of_quantiser)
        if stand_in is not None:
            root.removeHandler(stand_in)
