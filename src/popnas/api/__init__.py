"""popnas in programs and notebooks: a trained model that answers, a scikit-learn estimator, a run as tables.

- `arrays.py`      the one convention for users' arrays, and what is wrong with those that do not keep it
- `model_files.py` the files of a trained model, found and read; `backends.py` runs them
- `loaded_model.py`   `popnas.load(path)`: class labels and probabilities of NumPy arrays
- `fitting.py`     from arrays in memory to files and a configuration; `stages.py` the jobs that `fit` runs;
  `classifier.py`  makes an estimator of both
- `run.py`         `popnas.Run(path)`: a run's tables as DataFrames, its figures, itself in a notebook;
  `watching.py`    `popnas.watch(path)`: the same while the run goes on

May import everything but `cli` and `server`; nothing imports it but `popnas.__init__`, lazily, and users. The
names here are resolved on first use: torch, scikit-learn, ONNX Runtime and pandas take seconds to import, and
each part needs only some of them. To add a public name: a module here, its line in `_HOMES` of
`popnas/__init__.py` and in the test that pins the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from popnas.lazy import attribute

if TYPE_CHECKING:
    from popnas.api.arrays import InputError
    from popnas.api.classifier import PopnasClassifier
    from popnas.api.loaded_model import LoadedModel, load
    from popnas.api.run import Run
    from popnas.api.watching import watch

_HOMES = {
    "InputError": ".arrays",
    "PopnasClassifier": ".classifier",
    "LoadedModel": ".loaded_model",
    "Run": ".run",
    "load": ".loaded_model",
    "watch": ".watching",
}

__all__ = ["InputError", "LoadedModel", "PopnasClassifier", "Run", "load", "watch"]


def __getattr__(name: str) -> Any:
    return attribute(__name__, _HOMES, name)
