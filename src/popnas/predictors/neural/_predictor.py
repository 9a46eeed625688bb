"""What all ensembles of small networks have in common.

torch is imported on first use, not with this module, so that listing the predictors stays cheap.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from popnas.cells import bulk
from popnas.cells.space import NO_BLOCK
from popnas.predictors._base import FitReport, Prediction, PredictorContext, ScorePredictor
from popnas.predictors._cross_validation import figures, folds
from popnas.process_state import torch_in_turn

if TYPE_CHECKING:
    from popnas.predictors.neural._networks import Networks

_MARGIN = 0.25  # of the targets' range, on either side, that the sigmoid may reach beyond
_NARROWEST = 1e-3  # of that range, so that equal targets can be learnt too
_FENCE = 1.5  # interquartile ranges beyond the quartiles where outliers are cut off (Tukey's fences)
_ROWS = 256  # cells predicted at once


class NeuralPredictor(ScorePredictor):
    """An ensemble of networks, each fitted to a different fold's training part.

    The sigmoid spans the range of the targets and a quarter of it more on either side, cut at 0 and 1, rather
    than all of 0..1: accuracies of a search often lie within a few hundredths, which a sigmoid over 0..1
    hardly tells apart (GIN: on cells mapped to NAS-Bench-201 Spearman rose from 0.80 to 0.81, on simulated
    four-step searches from 0.73 to 0.78). Targets far outside the quartiles (the empty cell, a training that
    went astray) are cut off first, lest they stretch that range.
    """

    def __init__(self, context: PredictorContext) -> None:
        super().__init__(context)
        self.num_models = context.num_models
        self._networks: Networks[Any] | None = None
        self._low, self._span = 0.0, 1.0

    @abstractmethod
    def _made(self, seed: int) -> Networks[Any]:
        """The networks before training."""

    def _read(self, cells_NB4: np.ndarray) -> np.ndarray:
        """Cells in the one form in which equivalent ones are equal, as wide as any cell of the space."""
        wide = np.empty((len(cells_NB4), max(self.space.num_blocks, cells_NB4.shape[1]), 4), dtype=np.int16)
        wide[:] = NO_BLOCK
        wide[:, : cells_NB4.shape[1]] = bulk.canonicalize(cells_NB4)
        return wide

    def _outputs(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> np.ndarray:
        """The networks' outputs before the sigmoid, (N, M) float32. Chunks have one fixed number of rows, as
        the last bits of matrix products vary with shapes."""
        import torch

        assert self._networks is not None
        outputs_NM = np.empty((len(cells_NB4), self.num_models), dtype=np.float32)
        for start in range(0, len(cells_NB4), _ROWS):
            part = self._read(cells_NB4[start : start + _ROWS])
            filled = np.concatenate([part, np.repeat(part[:1], _ROWS - len(part), axis=0)])
            found = self._networks.forward(self._networks.rows(filled))
            outputs_NM[start : start + len(part)] = torch.t(found)[: len(part)].numpy()
        return outputs_NM

    def _fit(self, cells_NB4: np.ndarray, targets_N: np.ndarray, seed: int) -> FitReport:
        from popnas.predictors.neural._training import EnsembleSettings, train

        settings = EnsembleSettings()
        kept_N = _without_outliers(targets_N)
        width = max(float(np.ptp(kept_N)), _NARROWEST)
        low, high = kept_N.min() - _MARGIN * width, kept_N.max() + _MARGIN * width
        # Nothing beyond a perfect score is predicted, nor below 0, unless targets lie there themselves.
        self._low = float(min(max(low, 0.0), kept_N.min()))
        self._span = float(max(min(high, 1.0), kept_N.max()) - self._low)
        scaled_N = (kept_N - self._low) / self._span
        fold_N = folds(len(targets_N), self.num_models, np.random.default_rng(seed))
        is_held_out_MN = fold_N == np.arange(self.num_models)[:, None]
        if self.num_models == 1:
            is_held_out_MN[:] = False
        # On one thread sums have one order on every machine, and many small products cost less.
        with torch_in_turn(1):
            self._networks = self._made(seed)
            read_NB4 = self._read(cells_NB4)
            result = train(self._networks, read_NB4, scaled_N, ~is_held_out_MN, settings, seed)
        predicted_MN = self._scores(result.outputs.T).T
        return FitReport(
            hyperparameters={
                "num_models": self.num_models,
                "epochs": len(result.loss_curve),
                "learning_rate": settings.learning_rate,
                "weight_decay": settings.weight_decay,
            },
            loss_curve=result.loss_curve,
            cross_validation=(
                figures((predicted_MN * is_held_out_MN).sum(axis=0), targets_N)
                if self.num_models > 1
                else dict.fromkeys(("mape", "spearman", "r2"))
            ),
        )

    def _predict(self, cells_NB4: np.ndarray, parents: np.ndarray | None) -> Prediction:
        import torch

        with torch.inference_mode(), torch_in_turn(1):
            outputs_NM = self._outputs(cells_NB4, parents)
        scores_NM = self._scores(outputs_NM)
        mean_N = _mean(scores_NM)
        return Prediction(mean_N, np.sqrt(_mean(np.square(scores_NM - mean_N[:, None]))))

    def _scores(self, outputs_NM: np.ndarray) -> np.ndarray:
        """Scores for the networks' outputs before the sigmoid, float64."""
        return self._low + self._span * expit(outputs_NM.astype(np.float64))


def _without_outliers(targets_N: np.ndarray) -> np.ndarray:
    """Targets with those beyond Tukey's fences moved onto the fence.

    The fence is at least one standard deviation away: where most targets are equal, the quartiles tell
    nothing.
    """
    low, high = np.percentile(targets_N, [25, 75])
    reach = max(_FENCE * (high - low), float(targets_N.std()))
    return np.clip(targets_N, low - reach, high + reach)


def _mean(values_NM: np.ndarray) -> np.ndarray:
    """The mean over models, added up in their order however many cells there are, unlike numpy's own."""
    total_N = np.zeros(len(values_NM))
    for values_N in values_NM.T:
        total_N += values_N
    return total_N / values_NM.shape[1]
