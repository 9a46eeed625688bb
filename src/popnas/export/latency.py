"""How fast an ONNX file, anybody's, answers on this machine: wall time per batch in ONNX Runtime, copies to a
GPU and back included, as a user waits for it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from popnas import files
from popnas.errors import DataError, UserError, nearest
from popnas.export import description
from popnas.export.running import open_session
from popnas.printable import one_line, quoted
from popnas.records import Record

PROVIDERS = {
    "CPU": "CPUExecutionProvider",
    "CUDA": "CUDAExecutionProvider",
    "TensorRT": "TensorrtExecutionProvider",
}
NUM_WARM_UP = 5
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
}


@dataclass(frozen=True)
class Input:
    """One input of the file: its axes as the file gives them, None for those of any extent."""

    name: str
    dtype: np.dtype
    axes: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} ({', '.join('any' if n is None else str(n) for n in self.axes)})"


@dataclass(frozen=True)
class Latency(Record):
    """Wall milliseconds per batch of one provider ("CPU", "CUDA", "TensorRT") and batch size."""

    provider: str
    batch_size: int
    num_runs: int
    mean_milliseconds: float
    median_milliseconds: float
    p95_milliseconds: float
    samples_per_second: float


@dataclass(frozen=True)
class LatencyReport(Record):
    """What was measured, and which providers this machine has, in use or not."""

    file: str
    inputs: list[str]
    providers: list[str]
    unusable: dict[str, str]
    results: list[Latency]


def measure(
    path: Path,
    *,
    batch_sizes: Sequence[int] = (1, 8, 32),
    num_runs: int = 100,
    shapes: Mapping[str | None, tuple[int, ...]] | None = None,
    samples: Mapping[str, np.ndarray] | None = None,
) -> LatencyReport:
    """Measure a file with every provider of CPU, CUDA and TensorRT that this machine offers.

    `samples`: real ones, per input (n, ...), repeated where a batch needs more; without them random ones of
    `shapes`: per input the extents of one sample as the file takes it, without the batch axis (key None: of
    the only input that needs one). An extent that the file fixes may be left to it: without a shape, all are.

    Raises:
        UserError: no ONNX file, or inputs that do not fit it; the message lists what it takes.
    """
    inputs = read_inputs(path)
    data = (
        _random_samples(path, inputs, dict(shapes or {}))
        if samples is None
        else _fitting(path, inputs, samples)
    )
    _check_batches(path, inputs, batch_sizes)
    available = [name for name, full in PROVIDERS.items() if full in onnxruntime.get_available_providers()]
    unusable: dict[str, str] = {}
    results = []
    for name in available:
        session = _open(path, name)
        if session is None:
            unusable[name] = "ONNX Runtime offers it but could not start it for this file"
            continue
        for size in batch_sizes:
            feed = {key: _batch(values, size) for key, values in data.items()}
            results.append(_time(path, session, name, size, feed, num_runs))
    return LatencyReport(str(path), [str(item) for item in inputs], available, unusable, results)


def read_inputs(path: Path) -> list[Input]:
    """The inputs of a file.

    Raises:
        UserError: it cannot be read as ONNX, or takes what is no tensor of numbers.
    """
    session = _open(path, "CPU")
    assert session is not None
    inputs = []
    for item in session.get_inputs():
        if item.type not in _TYPES:
            raise UserError(
                f"{quoted(path)}: its input '{item.name}' is a {item.type}; only tensors of numbers can be "
                "fed."
            )
        axes = tuple(extent if isinstance(extent, int) and extent > 0 else None for extent in item.shape)
        inputs.append(Input(item.name, np.dtype(_TYPES[item.type]), axes))
    return inputs


_RUNTIME = re.compile(r"\[ONNXRuntimeError\] : \d+ : (\w+) : (.*)")
_DAMAGED = "it is damaged, or of another kind. Give a file as `popnas export` writes it."
_TOO_NEW = (
    f"it was written for a newer ONNX Runtime than this one ({onnxruntime.__version__}). Write it with an "
    "older opset, or install a newer onnxruntime."
)
_KNOWN = (
    (
        r"No graph was found|ort_value_name_idx_map",
        "it holds no network. Give a file as `popnas export` writes it.",
    ),
    (r"Unsupported model IR version|is under development and support for this is limited", _TOO_NEW),
    (
        r"External data path does not exist: \"?(?P<what>[^\"]*)",
        "its weights are kept apart, in {what}, which is not there. Put that file beside it.",
    ),
    (
        r"No Op registered for (?P<what>\S+)",
        "ONNX Runtime has no operator '{what}'. Write it with operators of the ONNX standard.",
    ),
)
"""What the runtime says of files that it does not open, and what that is to those who gave one."""
_PLACES = re.compile(r"Load model from .* failed:|/\S+\.(?:cc|h):\d+ .*\) (?=[A-Z\w])")
"""Of the runtime's own source, which say nothing to anybody else."""


def _reason(error: Exception) -> str:
    """Why ONNX Runtime opens no file, and what helps, without its codes and the places of its source."""
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    found = _RUNTIME.fullmatch(line)
    if found is not None and found[1] == "INVALID_PROTOBUF":
        return _DAMAGED
    for pattern, words in _KNOWN:
        if (known := re.search(pattern, line)) is not None:
            return words.format(**{name: one_line(text) for name, text in known.groupdict().items()})
    text = _PLACES.sub("", line if found is None else found[2]).strip().rstrip(".")
    return f"the runtime refuses its network: {one_line(text)}. Write it anew with the tool that made it."


def _open(path: Path, provider: str) -> onnxruntime.InferenceSession | None:
    trouble = files.trouble(path)
    if trouble == "it does not exist":
        raise UserError(f"{quoted(path)} {files.missing(path)} Give an ONNX file.")
    if trouble is not None:
        raise UserError(f"{quoted(path)} cannot be read: {trouble}. Give an ONNX file.")
    if path.stat().st_size == 0:
        raise UserError(
            f"{quoted(path)} is empty, as a file whose writing or copying was cut off: write or copy it anew."
        )
    description.check_beside(path)
    try:
        session = open_session(path, num_threads=None, providers=[PROVIDERS[provider]])
    except Exception as error:  # the runtime has an exception class per reason, none of them public
        if provider != "CPU":
            return None
        raise UserError(
            f"{quoted(path)} is not an ONNX file that ONNX Runtime can run: {_reason(error)}"
        ) from error
    # A provider that cannot start is replaced by the CPU without an exception.
    return session if session.get_providers()[0] == PROVIDERS[provider] else None


def _random_samples(
    path: Path, inputs: list[Input], shapes: dict[str | None, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    if None in shapes:
        shapes[_nameless(path, inputs)] = shapes.pop(None)
    for name in shapes:
        known = [item.name for item in inputs]
        if name not in known:
            raise UserError(f"{quoted(path)} has no input '{name}'.{nearest(name, known)} {_takes(inputs)}")
    data = {}
    for item in inputs:
        shape = _sample_shape(path, item, shapes.get(item.name))
        if item.dtype.kind == "f":
            data[item.name] = rng.standard_normal((1, *shape)).astype(item.dtype)
        else:
            data[item.name] = np.zeros((1, *shape), item.dtype)
    if "lengths" in data and "input" in data:  # a file of ours for series of unequal lengths
        data["lengths"] = np.full(1, data["input"].shape[2], np.int64)
    return data


def _nameless(path: Path, inputs: list[Input]) -> str:
    """The input that a shape without a name is meant for: the only one with more axes than the batch."""
    names = [item.name for item in inputs if len(item.axes) > 1]
    if len(names) != 1:
        raise UserError(
            f"{quoted(path)} has several inputs: say which shape is whose, as NAME=SHAPE. {_takes(inputs)}"
        )
    return names[0]


def _sample_shape(path: Path, item: Input, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    own = item.axes[1:]
    if shape is None:
        if None in own:
            raise UserError(
                f"{quoted(path)} leaves extents of its input '{item.name}' open: {item}. Give the shape of "
                f"one sample, such as `shapes` {'x'.join(str(n or 32) for n in own)}, or real samples with "
                "`data`."
            )
        return tuple(n for n in own if n is not None)
    is_fitting = len(shape) == len(own) and all(
        n in (None, given) for n, given in zip(own, shape, strict=True)
    )
    if not is_fitting:
        raise UserError(
            f"{quoted(path)} does not take samples of the shape {'x'.join(map(str, shape))}: its input is "
            f"{item}, the first axis being the batch."
        )
    return shape


def _fitting(path: Path, inputs: list[Input], samples: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The samples in the file's types, one array per input."""
    data = {}
    for item in inputs:
        if item.name not in samples:
            raise DataError(
                f"{quoted(path)} takes the input '{item.name}', for which the data have nothing (they give "
                f"{', '.join(samples)}). {_takes(inputs)}"
            )
        values = samples[item.name]
        _sample_shape(path, item, values.shape[1:])
        data[item.name] = np.ascontiguousarray(values, dtype=item.dtype)
    return data


def _check_batches(path: Path, inputs: list[Input], batch_sizes: Sequence[int]) -> None:
    for item in inputs:
        fixed = item.axes[0] if item.axes else None
        wrong = [size for size in batch_sizes if fixed not in (None, size)]
        if wrong:
            raise UserError(
                f"{quoted(path)} takes batches of {fixed} only, not of {wrong[0]}. Measure it with "
                f"`batch_sizes` {fixed}."
            )


def _takes(inputs: list[Input]) -> str:
    return f"It takes: {'; '.join(map(str, inputs))}."


def _batch(values: np.ndarray, size: int) -> np.ndarray:
    return values[np.arange(size) % len(values)]


def _time(
    path: Path,
    session: onnxruntime.InferenceSession,
    provider: str,
    batch_size: int,
    feed: dict[str, np.ndarray],
    num_runs: int,
) -> Latency:
    seconds = np.empty(num_runs + NUM_WARM_UP)
    for index in range(len(seconds)):
        started = time.perf_counter()
        try:
            session.run(None, feed)
        except Exception as error:  # see `_open`
            raise UserError(
                f"{quoted(path)} cannot be run on a batch of {batch_size}: {str(error).splitlines()[0]}"
            ) from error
        seconds[index] = time.perf_counter() - started
    seconds = seconds[NUM_WARM_UP:]
    return Latency(
        provider,
        batch_size,
        num_runs,
        1e3 * float(seconds.mean()),
        1e3 * float(np.median(seconds)),
        1e3 * float(np.percentile(seconds, 95)),
        batch_size / float(seconds.mean()),
    )
