"""`popnas.load(path)`: a trained model that answers with labels and probabilities."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from popnas.api import arrays, backends, model_files
from popnas.api.arrays import Examples, InputError
from popnas.api.backends import Backend
from popnas.api.model_files import ModelFiles
from popnas.datasets.dataset import FittedLengths
from popnas.errors import UserError
from popnas.printable import quoted

_OF_CALLER = 5
"""Frames from a warning to the caller of `predict`."""


def load(path: Path | str, *, backend: str = "onnx", batch_size: int = 256) -> LoadedModel:
    """Load a trained model for prediction.

    Args:
        path: a folder with `model.json` (`best_model`, a model of the selection, `final_training/deploy`), an
            `.onnx` file beside one (so `model.int8.onnx` can be chosen), or a run folder: its deployment,
            else its best model.
        backend: "onnx" (ONNX Runtime runs the exported file) or "torch" (PyTorch, from the weights).
        batch_size: examples per call of the network.

    Raises:
        UserError: no model is there, or its files do not fit together.

    Example:
        >>> import popnas
        >>> model = popnas.load("logs/my_run")
        >>> labels = model.predict(images)
        >>> len(labels) == len(images)
        True
    """
    model = LoadedModel(model_files.read(path), backend=backend, batch_size=batch_size)
    model.prepare()
    return model


class LoadedModel:
    """A trained model over NumPy arrays of raw values.

    Images are (n, h, w[, c]) with values 0..255 (of any height and width for segmentation), series (n,
    channels, timesteps), or (n, timesteps) for one channel (see `popnas.api.arrays`). A model holds its
    files' bytes, so it can be pickled; the session that computes is made on first use.

    Attributes:
        description: `model.json` as an object: cell, network, input contract, metrics, versions.
        classes_: the class labels in order of their probabilities; integers if all names are whole numbers.
        backend: "onnx" or "torch".
        batch_size: examples per call of the network.
    """

    def __init__(self, files: ModelFiles, *, backend: str = "onnx", batch_size: int = 256) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UserError(f"batch_size must be a positive integer, got {batch_size!r}.")
        self.backend = backends.check_name(backend)
        self.batch_size = batch_size
        self.files = files
        self._model = files.description()
        self.description = dict(self._model.to_json())
        self.classes_ = _labels(self._model.class_names)
        self._shape = self._model.contract.input_shape
        self._has_lengths = self._model.contract.has_lengths
        self._ready: Backend | None = None
        self._pid = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ready": None}

    def __repr__(self) -> str:
        shape = "x".join(map(str, self._shape))
        return (
            f"<popnas model of {quoted(self.files.place)}: {shape}, {len(self.classes_)} classes, "
            f"{self.backend}>"
        )

    @property
    def num_dims(self) -> int:
        """Spatial dimensions of the input: 2 for images, 1 for series."""
        return len(self._shape) - 1

    def prepare(self) -> None:
        """Make the session now instead of at the first prediction.

        Raises:
            UserError: the files are missing or damaged.
        """
        # A session's threads stay behind in a fork: a child makes its own.
        if self._ready is None or self._pid != os.getpid():
            self._ready, self._pid = backends.BACKENDS[self.backend](self.files), os.getpid()

    def predict_proba(self, x: Any, lengths: Any = None) -> np.ndarray:
        """Class probabilities, (n, classes) float32, columns in the order of `classes_`; in segmentation
        those of every pixel, (n, classes, h, w).

        Args:
            x: images (n, h, w[, c]), in segmentation of any height and width, or series (n, channels,
                timesteps), raw; series of unequal lengths may be a list of (channels, timesteps).
            lengths: (n,) timesteps before the padding, for models of series of unequal lengths; the whole of
                each series if left out.

        Raises:
            InputError: wrong shape, type or values; a ValueError too.
        """
        self.prepare()
        assert self._ready is not None
        examples = self._checked(x, lengths, self._ready.size)
        parts = []
        for start in range(0, max(len(examples), 1), self.batch_size):
            stop = start + self.batch_size
            batch = arrays.channels_first(examples.x[start:stop], self.num_dims)
            ends = None if examples.lengths is None else examples.lengths[start:stop]
            answers_NK = self._ready.probabilities(batch, ends)
            _check_answers(answers_NK, batch, start)
            parts.append(answers_NK)
        return np.concatenate(parts)

    def predict(self, x: Any, lengths: Any = None) -> np.ndarray:
        """The likeliest class of each example as its label, (n,); of each pixel in segmentation.

        Arguments and errors are those of `predict_proba`.
        """
        return np.asarray(self.classes_[self.predict_proba(x, lengths).argmax(axis=1)])

    def _checked(self, x: Any, lengths: Any, size: tuple[int | None, ...]) -> Examples:
        """The examples as the network wants them; a shape that it cannot take is an error."""
        if self.num_dims == 2:
            if lengths is not None:
                raise InputError("lengths are for series; this model takes images.")
            return self._of_known_shape(arrays.images(x), size, x)
        examples = arrays.series(x, lengths)
        self._of_known_shape(examples, (None,), x)
        return self._fitted(examples, is_padded=size[0] is not None or not self._has_lengths)

    def _fitted(self, examples: Examples, *, is_padded: bool) -> Examples:
        """Series cut, and filled up if `is_padded`, to the length of training, as evaluation does it."""
        num_timesteps = self._shape[0]
        x_NCT = examples.x[:, :, :num_timesteps]
        whole = np.full(len(x_NCT), examples.x.shape[2])
        ends_N = whole if examples.lengths is None else examples.lengths
        is_longer_N, is_shorter_N = ends_N > num_timesteps, ends_N < num_timesteps
        num_filled = 0 if self._has_lengths else int(is_shorter_N.sum())
        fitted = FittedLengths(num_timesteps, num_filled, int(is_longer_N.sum()))
        for sentence in fitted.told(len(x_NCT)):
            warnings.warn(sentence, UserWarning, stacklevel=_OF_CALLER)
        if is_padded and x_NCT.shape[2] < num_timesteps:
            x_NCT = np.pad(x_NCT, ((0, 0), (0, 0), (0, num_timesteps - x_NCT.shape[2])))
        if self._has_lengths:
            return Examples(x_NCT, np.minimum(ends_N, num_timesteps).astype(np.int64))
        if num_filled:
            is_behind_NT = np.arange(num_timesteps) >= ends_N[:, None]
            x_NCT = np.where(is_behind_NT[:, None], self._zero_input()[:, None], x_NCT)
        return Examples(x_NCT)

    def _zero_input(self) -> np.ndarray:
        """The raw value of each channel (C,) that is zero after normalisation."""
        preprocessing = self._model.preprocessing
        if preprocessing is None:
            raise InputError(
                f"this model takes series of at least {self._shape[0]} timesteps: "
                f"{quoted(self.files.place)} was written by popnas 0.1.0 and does not say what shorter ones "
                "are filled up with."
            )
        return np.array(preprocessing.offset, dtype=np.float32)

    def _of_known_shape(self, examples: Examples, size: tuple[int | None, ...], x: Any) -> Examples:
        """The examples; an InputError if the network cannot take the shape in which x came."""
        channels = self._shape[-1]
        found = examples.x.shape[1:]
        expected = (*size, channels) if self.num_dims == 2 else (channels, *size)
        if not _suits(found, expected):
            axes = ("height", "width", "channels") if self.num_dims == 2 else ("channels", "timesteps")
            want = ", ".join(
                str(name if extent is None else extent) for name, extent in zip(axes, expected, strict=True)
            )
            # The axis that one channel may lack was added here: the caller knows of none.
            is_as_given = examples.given is None or len(examples.given) == examples.x.ndim
            have = f"(n, {', '.join(map(str, found))})" if is_as_given else str(examples.given)
            is_single = examples.given is not None and _suits(examples.given, expected)
            raise InputError(
                f"this model takes {'images' if self.num_dims == 2 else 'series'} of the shape (n, {want}), "
                f"got {have}.{arrays.single_remedy(x) if is_single else ''}"
            )
        return examples


def _suits(found: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    """Whether a shape is the expected one, in which None is any extent."""
    return len(found) == len(expected) and all(
        want is None or want == have for want, have in zip(expected, found, strict=True)
    )


def _check_answers(answers_NK: np.ndarray, x: np.ndarray, start: int) -> None:
    """Raises InputError if an answer is no number: no label may be read from it."""
    is_wrong_N = ~np.isfinite(answers_NK).all(axis=tuple(range(1, answers_NK.ndim)))
    if is_wrong_N.any():
        i = int(is_wrong_N.argmax())
        raise InputError(
            f"the model has no probabilities (NaN) for example {start + i} of X, whose values lie within "
            f"{x[i].min():g}..{x[i].max():g}: they are too far from those that it was trained on."
        )


def _labels(names: list[str]) -> np.ndarray:
    """Class names as labels: data files give whole numbers and texts, and whole numbers come back as such."""
    try:
        numbers = [int(name) for name in names]
    except ValueError:
        return np.array(names)
    if [str(number) for number in numbers] != names:
        return np.array(names)
    labels = np.array(numbers)
    # Beyond 64 bits NumPy would round them to floating point numbers, which makes one label of two.
    return labels if labels.dtype.kind in "iu" else np.array(numbers, dtype=object)
