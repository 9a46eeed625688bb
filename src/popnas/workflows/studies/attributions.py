"""What predictors of tables go by: Shapley values of their features (Lundberg and Lee, 2017)."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from popnas.errors import MissingExtraError
from popnas.predictors import Predictor
from popnas.predictors.tabular import Explained
from popnas.process_state import without_warnings

_EXPLAINED, _BACKGROUND = 20, 20


def check_shap() -> None:
    """Raises MissingExtraError: shap is not installed."""
    if find_spec("shap") is None:
        raise MissingExtraError("telling what predictors of tables go by", "predictors", "shap")


def attributions(predictor: Predictor, cells_NB4: np.ndarray) -> list[tuple[str, float]]:
    """Features and the mean size of their share in predictions, the largest first: of the first cells,
    against the next ones.
    """
    assert isinstance(predictor, Explained), predictor
    with without_warnings(".*"):
        import shap

    table_NF = predictor.table(cells_NB4[: _EXPLAINED + _BACKGROUND])
    explained, background = table_NF[:_EXPLAINED], table_NF[_EXPLAINED:]
    explainer = shap.explainers.Permutation(
        predictor.predict_table,
        shap.maskers.Independent(background if len(background) else explained),
        seed=0,
    )
    found = explainer(explained, max_evals=2 * table_NF.shape[1] + 1, silent=True)
    shares_F = np.abs(found.values).mean(axis=0)
    order = np.argsort(-shares_F, kind="stable")
    names = predictor.feature_names()
    return [(names[place], float(shares_F[place])) for place in order.tolist()]
