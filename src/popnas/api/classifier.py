"""The search as a scikit-learn estimator: `fit` searches, selects and trains, `predict` uses the result."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from popnas import files, tasks
from popnas.api import arrays, fitting, model_files, targets
from popnas.api.arrays import Examples, InputError
from popnas.api.fitting import TrainingData
from popnas.api.loaded_model import LoadedModel
from popnas.api.model_files import ModelFiles
from popnas.api.options import NUM_SELECTED, Options
from popnas.api.targets import scikit_learn_errors
from popnas.config import Source
from popnas.errors import DataError, PopnasError, RunFolderError, StorageError, UserError
from popnas.printable import quoted
from popnas.process_state import forks

logger = logging.getLogger("popnas")


class PopnasClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of images or time series whose network is found by architecture search.

    `fit` searches cells, trains the best ones longer (model selection) and the best of these to the end on
    all data (final training). Images are (n, h, w) or (n, h, w, c) with values 0..255; series are (n,
    channels, timesteps), (n, timesteps) for one channel, or a list of (channels, timesteps) where lengths
    differ.

    Parameters:
        task: "image_classification" or "time_series_classification"; required for 3-D input, which may be
            either. 2-D input is univariate series, 4-D input is images.
        config: the search's configuration, over defaults that suit the size of the data: a mapping with the
            fields of a configuration file (any of them), or a whole file's path, or a preset's name. Its data
            set gives way to the data of `fit`.
        selection_config: a partial configuration of model selection (mapping, path or preset).
        final_config: a partial configuration of final training, likewise.
        num_selected: how many cells model selection trains.
        last_stage: "search", "model_selection" or "final_training": where `fit` ends; the model is the best
            of the stages before.
        max_hours: time budget of all stages together; None = none.
        run_folder: keeps the run there, for `popnas.Run` and the command line (its data beside it, in
            `NAME.data`); None = a temporary folder, which is removed after `fit`, but stays where no
            network could be trained: its logs say why. Fits in parallel need None.
        n_jobs: networks trained at the same time: 1 = in this process, -1 = one per core, None = as the
            configuration says, by default one per core.
        backend: "onnx" or "torch": what predicts.
        random_state: seed of everything random; with an int two fits give the same model on the same machine,
            unless `max_hours` cuts them: what fits into a time is measured. None = the seed of `config` if
            that has one, else a new one at each fit.

    Options are read at `fit`. One that contradicts another is refused, or told by the logger `popnas` as a
    warning; `max_hours`, `n_jobs` and `random_state` decide over `config`.

    Attributes:
        classes_: the labels, sorted, (K,).
        n_features_in_: timesteps of 2-D input; else the size of the second axis.
        model_: the trained model (`LoadedModel`).
        cell_: the text of the model's cell.
        run_folder_: where the run is kept, or None.

    Example:
        >>> from popnas import PopnasClassifier
        >>> classifier = PopnasClassifier("time_series_classification", max_hours=0.1)
        >>> accuracy = classifier.fit(x_train, y_train).score(x_test, y_test)
    """

    def __init__(
        self,
        task: str | None = None,
        *,
        config: Source | None = None,
        selection_config: Source | None = None,
        final_config: Source | None = None,
        num_selected: int = NUM_SELECTED,
        last_stage: str = "final_training",
        max_hours: float | None = None,
        run_folder: str | Path | None = None,
        n_jobs: int | None = None,
        backend: str = "onnx",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.task = task
        self.config = config
        self.selection_config = selection_config
        self.final_config = final_config
        self.num_selected = num_selected
        self.last_stage = last_stage
        self.max_hours = max_hours
        self.run_folder = run_folder
        self.n_jobs = n_jobs
        self.backend = backend
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X: Any, y: Any) -> PopnasClassifier:
        """Search, select and train.

        Args:
            X: images or series, (n, ...), raw.
            y: one label per example, (n,), of any kind.

        Raises:
            InputError: arrays that do not suit (a ValueError too).
            ConfigError: with all mistakes of a configuration.
            PopnasError: no network could be trained.
        """
        forks.check("fit")
        options = Options.read(self.get_params(deep=False))
        data = self._training_data(X, y, options.task)
        for warning in options.warnings():
            logger.warning("Warning: %s", warning)
        if options.run_folder is None:
            files = _run_apart(data, options)
        else:
            files = _run(data, options.run_folder, options)
        self.run_folder_ = options.run_folder
        self.model_ = LoadedModel(files, backend=options.backend)
        self.cell_ = str(self.model_.description["cell"])
        self.classes_, self._columns = data.classes, data.columns
        return self

    @property
    def predictor_(self) -> LoadedModel:
        """`model_` by its name in popnas 0.1.0: programs that read it go on."""
        return self.model_

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities, (n, K), columns in the order of `classes_`.

        Raises:
            InputError: arrays unlike those of `fit` (a ValueError too).
        """
        check_is_fitted(self)
        array = arrays.read(X)
        if isinstance(array, np.ndarray):
            array = self._with_axes_of_fit(array)
            self._validated(X if hasattr(X, "columns") and array.ndim == 2 else array, reset=False)
        probabilities = self.model_.predict_proba(array).astype(np.float64)[:, self._columns]
        return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest label of each example, (n,).

        Raises:
            InputError: arrays unlike those of `fit` (a ValueError too).
        """
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of `predict` on X with respect to the labels y, (n,).

        Raises:
            InputError: arrays unlike those of `fit`, or labels that do not suit (a ValueError too).
        """
        predicted = self.predict(X)
        y = targets.labels(y, len(predicted))
        with scikit_learn_errors():
            return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def export(self, folder: str | Path) -> Path:
        """Write the trained model's files (ONNX, weights, `model.json`, ...) into a new or empty folder.

        Raises:
            UserError: the folder holds files, or cannot be written.
        """
        check_is_fitted(self)
        target = files.user_path(files.given(folder, "the folder to export to"))
        self.model_.files.write(target)
        return target

    def _training_data(self, X: Any, y: Any, task: str | None) -> TrainingData:
        targets.check_one_label_each(y)
        array = arrays.read(X)
        if isinstance(array, list):
            num_axes = 1 + max(one.ndim for one in array)
            examples = _examples(array, task, num_axes)
            self.n_features_in_ = examples.x.shape[1]
            # Channels are what is counted: a list whose series are equally long is read as they are.
            self._num_axes = 3
        else:
            self._validated(X if hasattr(X, "columns") else array, reset=True)
            self._num_axes = num_axes = array.ndim
            examples = _examples(array, task, num_axes)
        return TrainingData.of(_num_dims(task, num_axes), examples, targets.labels(y, len(examples)))

    def _validated(self, X: Any, *, reset: bool) -> None:
        """Names and number of features, as scikit-learn has them; raises InputError."""
        if np.ndim(X) < 2:
            raise InputError(
                f"X must have an axis of examples and at least one more, got the shape {np.shape(X)}. "
                "Reshape your data: a single series is X[None]."
            )
        with scikit_learn_errors():
            validate_data(
                self, X, dtype="numeric", allow_nd=True, reset=reset, ensure_min_samples=2 if reset else 1,
                ensure_all_finite=False,
            )  # fmt: skip

    def _with_axes_of_fit(self, array: np.ndarray) -> np.ndarray:
        """Univariate series with or without the axis of channels, as `fit` had them."""
        if self.model_.num_dims == 1 and array.ndim == 2 and self._num_axes == 3:
            return array[:, None]
        if array.ndim == 3 and array.shape[1] == 1 and self._num_axes == 2:
            return array[:, 0]
        return array


def _examples(array: np.ndarray | list[np.ndarray], task: str | None, num_axes: int) -> Examples:
    return arrays.images(array) if _num_dims(task, num_axes) == 2 else arrays.series(array)


def _num_dims(task: str | None, num_axes: int) -> int:
    """Spatial dimensions of input with so many axes; `task` must agree."""
    if num_axes not in (2, 3, 4):
        raise InputError(f"X must have 2 (univariate series), 3 or 4 (images) axes, got {num_axes}.")
    if num_axes == 3 and task is None:
        raise InputError(
            "X has 3 axes, which may be images (n, h, w) or series (n, channels, timesteps): say "
            'which with task="image_classification" or task="time_series_classification".'
        )
    wanted = tasks.get(task).num_dims if task is not None else None
    num_dims = {2: 1, 3: wanted, 4: 2}[num_axes]
    assert num_dims is not None
    if wanted not in (None, num_dims):
        meant = "univariate series" if num_dims == 1 else "images (n, h, w, c)"
        raise InputError(
            f"X with {num_axes} axes is {meant}, but task is {task!r}. Reshape X, or change task."
        )
    return num_dims


def _run_apart(data: TrainingData, options: Options) -> ModelFiles:
    """Run in a temporary folder. It stays if the run itself fails: messages send the reader to its logs."""
    temporary = Path(tempfile.mkdtemp(prefix="popnas-"))
    folder, is_kept = temporary / "run", False
    try:
        return _run(data, folder, options)
    except PopnasError as error:
        # What other input mends is said whole, and a full disk must not be filled.
        is_kept = folder.exists() and not isinstance(error, (UserError, StorageError))
        if is_kept:
            error.add_note(
                f"The run's folder is {quoted(folder)}; remove {quoted(temporary)} once it is not needed. "
                "With run_folder=FOLDER fit keeps its run in a place of your choice."
            )
        raise
    finally:
        if not is_kept:
            shutil.rmtree(temporary, ignore_errors=True)


def _run(data: TrainingData, folder: Path, options: Options) -> ModelFiles:
    data_folder = folder.with_name(f"{folder.name}.data")
    config = fitting.configuration(data, data_folder, options)
    if folder.exists() or data_folder.exists():
        raise RunFolderError(
            f"run_folder {quoted(folder)} (or {data_folder.name} beside it) exists already; give another at "
            "each fit."
        )
    fitting.check_enough(data, config)
    data.save(data_folder)
    # Torch takes seconds to import: only once everything that can be wrong without it is checked.
    from popnas.api import stages

    partials = (options.selection_config, options.final_config)
    fit = stages.Fit(options.last_stage, options.num_selected, *partials)
    try:
        return model_files.read(stages.run(config, folder, fit))
    except DataError as error:
        shutil.rmtree(data_folder, ignore_errors=True)
        text = str(error).replace(quoted(data_folder / "train.npz"), "X").replace(quoted(data_folder), "X")
        raise InputError(text) from error
    except BaseException:
        if not folder.exists():  # a mistake was found before the run began
            shutil.rmtree(data_folder, ignore_errors=True)
        raise
