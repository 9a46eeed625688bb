"""Surrogate models that predict the objectives of candidates from the candidates evaluated so far.

What lives here: `svr` (training and inference time), those that learn from tables in `tabular` (boosted
trees, linear regressions, other libraries' trees), ensembles of small networks in `neural` (of a cell's
graph, of the sequence of its blocks), the interface they share (`_base`) and the features of cells that they
use (`features`, which never imports torch). Cells come in as integer arrays of shape (cells, blocks, 4),
never as objects, since a default run scores close to a million candidates.

What may not be imported here: training, networks, anything above. The number of stacked cells, which a
network's macro-architecture decides, is handed in as a function (`PredictorContext`, the same for all).
torch is imported by the private modules of `neural` only, on first use.

Adding a predictor: one file with a subclass of `ScorePredictor` or `TimePredictor` under
`@REGISTRY.register(name, description=...)`; `tests/contract/test_predictors.py` picks it up. `folds` and
`out_of_fold_figures` give the figures that a fit reports. A user's own
predictor comes in through the entry point group `popnas.predictors`. A configuration chooses by name, per
objective, in `others.predictors`.
"""

from popnas.predictors._base import (
    MIN_TARGETS,
    REGISTRY,
    FitReport,
    Prediction,
    Predictor,
    PredictorContext,
    ScorePredictor,
    TimePredictor,
    names_of,
)
from popnas.predictors._cross_validation import figures as out_of_fold_figures
from popnas.predictors._cross_validation import folds

__all__ = [
    "MIN_TARGETS",
    "REGISTRY",
    "FitReport",
    "Prediction",
    "Predictor",
    "PredictorContext",
    "ScorePredictor",
    "TimePredictor",
    "folds",
    "names_of",
    "out_of_fold_figures",
]
