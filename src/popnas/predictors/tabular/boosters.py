"""Boosted trees of other libraries: XGBoost, LightGBM, CatBoost (the extra "predictors").

All on one thread, which makes them the same on every machine; libraries are imported when one is fitted.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from popnas.predictors._base import REGISTRY
from popnas.predictors.tabular._tables import (
    Regression,
    ScoreTablePredictor,
    TablePredictor,
    TimeTablePredictor,
)

_TREES, _RATE, _LEVELS = 300, 0.05, 4


class _XGBoost(TablePredictor):
    library = "xgboost"

    def learn(self, table_NF: np.ndarray, targets_N: np.ndarray, seed: int) -> Regression:
        """See `TablePredictor`."""
        from xgboost import XGBRegressor

        machine = XGBRegressor(
            n_estimators=_TREES,
            learning_rate=_RATE,
            max_depth=_LEVELS,
            subsample=0.7,
            colsample_bytree=0.5,
            n_jobs=1,
            random_state=seed % 2**31,
        )
        return cast(Regression, machine.fit(table_NF, targets_N))


class _LightGBM(TablePredictor):
    library = "lightgbm"

    def learn(self, table_NF: np.ndarray, targets_N: np.ndarray, seed: int) -> Regression:
        """See `TablePredictor`; the library's own interface, since the other one warns of missing names."""
        import lightgbm

        settings = {
            "objective": "regression",
            "learning_rate": _RATE,
            "num_leaves": 12,
            "min_data_in_leaf": 3,
            "min_data_in_bin": 1,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "feature_fraction": 0.5,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": 1,
            "seed": seed % 2**31,
            "verbose": -1,
        }
        rows = lightgbm.Dataset(table_NF, targets_N)
        return cast(Regression, lightgbm.train(settings, rows, num_boost_round=_TREES))


class _CatBoost(TablePredictor):
    library = "catboost"

    def learn(self, table_NF: np.ndarray, targets_N: np.ndarray, seed: int) -> Regression:
        """See `TablePredictor`."""
        from catboost import CatBoostRegressor

        if np.ptp(table_NF, axis=0).max(initial=0) == 0 or np.ptp(targets_N) == 0:
            return _Constant(float(targets_N.mean()))  # which the library refuses to learn
        machine = CatBoostRegressor(
            iterations=_TREES,
            learning_rate=_RATE,
            depth=_LEVELS,
            thread_count=1,
            random_seed=seed % 2**31,
            allow_writing_files=False,
            logging_level="Silent",
        )
        return cast(Regression, machine.fit(table_NF, targets_N))


class _Constant:
    def __init__(self, value: float) -> None:
        self.value = value

    def predict(self, table_NF: np.ndarray) -> np.ndarray:
        """See `Regression`."""
        return np.full(len(table_NF), self.value)


@REGISTRY.register("xgboost", description="XGBoost on tabular features (score)")
class XGBoostScorePredictor(_XGBoost, ScoreTablePredictor):
    """Chen and Guestrin, 2016."""


@REGISTRY.register("xgboost_time", description="XGBoost on nine features (time)")
class XGBoostTimePredictor(_XGBoost, TimeTablePredictor):
    """Likewise, of seconds."""


@REGISTRY.register("lightgbm", description="LightGBM on tabular features (score)")
class LightGBMScorePredictor(_LightGBM, ScoreTablePredictor):
    """Ke et al., 2017."""


@REGISTRY.register("lightgbm_time", description="LightGBM on nine features (time)")
class LightGBMTimePredictor(_LightGBM, TimeTablePredictor):
    """Likewise, of seconds."""


@REGISTRY.register("catboost", description="CatBoost on tabular features (score)")
class CatBoostScorePredictor(_CatBoost, ScoreTablePredictor):
    """Prokhorenkova et al., 2018."""


@REGISTRY.register("catboost_time", description="CatBoost on nine features (time)")
class CatBoostTimePredictor(_CatBoost, TimeTablePredictor):
    """Likewise, of seconds."""
