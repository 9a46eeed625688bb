"""Files of ours in ONNX Runtime: sessions, and probabilities of whole splits.

Axes: N samples, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from popnas.datasets import Split
from popnas.datasets.ragged import Ragged, sizes_of
from popnas.errors import DataError

ON_CPU = ("CPUExecutionProvider",)
_FATAL = 4
_MAX_PIXELS = 2**21
"""Of a batch of images: at 24 channels of float32 a map of them takes 200 MB."""


def open_session(
    path: Path, *, num_threads: int | None = 1, providers: Sequence[str] = ON_CPU
) -> onnxruntime.InferenceSession:
    """A session that keeps quiet: what goes wrong comes as an exception and need not be on stderr as well.

    `num_threads` None: as many as the runtime likes.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    if num_threads is not None:
        options.intra_op_num_threads = num_threads
    return onnxruntime.InferenceSession(str(path), options, providers=list(providers))


def batches(split: Split, batch_size: int) -> Iterator[slice]:
    """Consecutive samples, in order: at most `batch_size`, fewer of large images; images of differing sizes
    (segmentation) are kept apart.
    """
    start = 0
    while start < len(split):
        stop = min(start + batch_size, len(split))
        if isinstance(split.x, Ragged):
            sizes_N2 = split.x.sizes[start:stop]
            is_same_N = (sizes_N2 == sizes_N2[0]).all(axis=1)
            stop = stop if is_same_N.all() else start + int(is_same_N.argmin())
        if split.x.ndim == 4:
            height, width = sizes_of(split.x)[start].tolist()
            stop = min(stop, start + max(1, _MAX_PIXELS // (height * width)))
        yield slice(start, stop)
        start = stop


def feeds(split: Split, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """What the model takes for each of the `batches`: raw values as float32, channels first; lengths if there
    are.
    """
    for batch in batches(split, batch_size):
        x = np.ascontiguousarray(np.moveaxis(np.asarray(split.x[batch]), -1, 1), dtype=np.float32)
        yield {"input": x} if split.lengths is None else {"input": x, "lengths": split.lengths[batch]}


def check_answers(answers_NK: np.ndarray, x: np.ndarray, start: int) -> None:
    """Raises DataError if an answer is no number, which no class may be read from; `start`: the place of the
    first of these examples x in their split.
    """
    is_wrong_N = ~np.isfinite(answers_NK.reshape(len(answers_NK), -1)).all(axis=1)
    if is_wrong_N.any():
        i = int(is_wrong_N.argmax())
        raise DataError(
            f"The network gives no probabilities (NaN) for example {start + i}, whose values lie within "
            f"{x[i].min():g}..{x[i].max():g}. Mend or remove that example; if it is sound, the network's "
            "weights are damaged: train it again."
        )


def probabilities(session: onnxruntime.InferenceSession, split: Split, batch_size: int = 64) -> np.ndarray:
    """The model's answers for a whole split of samples of one size: (N, K, ...) float32."""
    return np.concatenate([session.run(["probabilities"], feed)[0] for feed in feeds(split, batch_size)])


@dataclass(frozen=True)
class Judged:
    """How good a file is: the share of samples (segmentation: of labelled pixels) whose most probable class
    is the true one, and the metric that counts every class the same, by its name as
    `search_strategy.score_metric` has it."""

    accuracy: float
    metrics: Mapping[str, float]


def judged(session: onnxruntime.InferenceSession, split: Split, batch_size: int = 64) -> Judged:
    """Judge a file by all samples of a split."""
    is_per_pixel, counts_3K = False, np.zeros((3, 1), np.int64)  # stretched to K by the first batch
    for batch, feed in zip(batches(split, batch_size), feeds(split, batch_size), strict=True):
        answer = session.run(["probabilities"], feed)[0]
        check_answers(answer, feed["input"], batch.start)
        is_per_pixel, num_classes = answer.ndim == 4, answer.shape[1]
        y, best = np.asarray(split.y[batch]), answer.argmax(axis=1)
        is_counted = (y >= 0) & (y < num_classes)
        y, best = y[is_counted].astype(np.int64), best[is_counted]
        found = [np.bincount(each, minlength=num_classes) for each in (y[y == best], y, best)]
        counts_3K = counts_3K + np.stack(found)
    right_K, true_K, found_K = counts_3K
    return Judged(int(right_K.sum()) / int(true_K.sum()), _even(right_K, true_K + found_K, is_per_pixel))


def _even(right_K: np.ndarray, either_K: np.ndarray, is_per_pixel: bool) -> dict[str, float]:
    """Mean IoU or F1 score over the classes that the truth or the answers have; `either_K`: how often both
    together have each."""
    right_K, either_K = right_K[either_K > 0], either_K[either_K > 0]
    if is_per_pixel:
        return {"mean_iou": float((right_K / (either_K - right_K)).mean())}
    return {"f1_score": float((2 * right_K / either_K).mean())}
