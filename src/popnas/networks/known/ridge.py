"""Ridge regression to the classes as a dense layer that answers with logits, in closed form.

The penalty is the one of the least squared error of leave-one-out predictions, which come with the fit itself
(Rifkin and Lippert 2007, "Notes on Regularized Least Squares"), and so does the factor that makes logits of
the decisions: the one at which leave-one-out predictions are most probable. Axes: N examples, F features,
K classes, R the rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PENALTIES = tuple(10 ** (-3 + 6 * step / 9) for step in range(10))
"""Ten from 0.001 to 1000 in equal ratios, for features of variance 1 (Dempster et al. 2021)."""
_FACTORS = tuple(10 ** (step / 10) for step in range(16))
"""Decisions lie around -1 and 1: twice as far apart than 1 to some 30 times as far."""


@dataclass(frozen=True)
class RidgeHead:
    """`weight` (K, F) and `bias` (K,) float32 of a dense layer on raw features; `loss`: the mean
    cross-entropy of leave-one-out predictions; `penalty`: which was chosen."""

    weight: Tensor
    bias: Tensor
    loss: float
    penalty: float


def fit(features_NF: Tensor, y_N: Tensor, num_classes: int) -> RidgeHead:
    """Fit a head; features that are constant get no weight. At least 2 examples."""
    x_NF = features_NF.double()
    mean_F, deviation_F = x_NF.mean(dim=0), x_NF.std(dim=0, correction=0)
    scale_F = torch.where(deviation_F > 1e-8, 1 / deviation_F.clamp(min=1e-8), 0.0)
    x_NF = (x_NF - mean_F) * scale_F
    targets_NK = 2.0 * torch.nn.functional.one_hot(y_N, num_classes).double() - 1.0
    offset_K = targets_NK.mean(dim=0)
    targets_NK = targets_NK - offset_K
    basis_NR, values_R = _decomposed(x_NF)
    left_out = {penalty: _left_out(basis_NR, values_R, targets_NK, penalty) for penalty in PENALTIES}
    penalty = min(PENALTIES, key=lambda each: float((left_out[each] - targets_NK).square().mean()))
    decisions_NK = left_out[penalty] + offset_K
    losses = [float(torch.nn.functional.cross_entropy(each * decisions_NK, y_N)) for each in _FACTORS]
    loss, factor = min(zip(losses, _FACTORS, strict=True))
    answers_RK = (basis_NR.T @ targets_NK) / (values_R + penalty)[:, None]
    weight_KF = factor * (x_NF.T @ (basis_NR @ answers_RK)).T * scale_F
    bias_K = factor * offset_K - weight_KF @ mean_F
    return RidgeHead(weight_KF.float(), bias_K.float(), loss, penalty)


def _decomposed(x_NF: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors (N, R) and squared singular values (R,), by the smaller of the two products."""
    num_examples, num_features = x_NF.shape
    is_wide = num_features >= num_examples
    values, vectors = torch.linalg.eigh(x_NF @ x_NF.T if is_wide else x_NF.T @ x_NF)
    is_real = values > values.max().clamp(min=1e-12) * 1e-12
    values, vectors = values[is_real], vectors[:, is_real]
    return (vectors if is_wide else x_NF @ vectors / values.sqrt()), values


def _left_out(basis_NR: Tensor, values_R: Tensor, targets_NK: Tensor, penalty: float) -> Tensor:
    """What each example is predicted by a fit to all others.

    Made of what a fit leaves over, never of 1 minus what it explains: with more features than examples the
    latter is 1 but for a ten-millionth, and the quotient would be rounding errors.
    """
    left_R = penalty / (values_R + penalty)
    answers_RK = basis_NR.T @ targets_NK
    outside_NK = targets_NK - basis_NR @ answers_RK
    outside_N = 1 - 1 / len(basis_NR) - basis_NR.square().sum(dim=1)
    error_NK = outside_NK + basis_NR @ (left_R[:, None] * answers_RK)
    share_N = outside_N.clamp(min=0.0) + basis_NR.square() @ left_R
    return targets_NK - error_NK / share_N.clamp(min=1e-12)[:, None]
