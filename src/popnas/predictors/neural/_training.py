"""Fitting the ensemble: all models in one batched training, each on its own part of the data.

Every model sees every batch, and a weight of 0 takes the cells of the fold that it leaves out from its
loss: wasted products are cheaper than a loop over models, and the held-out predictions for cross-validation
come out of the same pass.

Axes: N cells, M models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from popnas.predictors.neural._networks import Networks, R

_LARGEST_BATCH, _SMALLEST_BATCH, _BATCHES_PER_EPOCH = 64, 16, 8


@dataclass(frozen=True)
class EnsembleSettings:
    """How the ensemble is trained.

    In trials (simulated searches; cells mapped to NAS-Bench-201) ranks hardly moved between rates of 0.004
    and 0.01, decays up to 0.05 and batches of 8 to 64; they fell with 40 epochs, a rate of 0.02 or a decay
    of 0.5.
    """

    epochs: int = 80
    learning_rate: float = 0.01
    weight_decay: float = 5e-4
    patience: int = 20  # epochs without a better training loss before the training stops


@dataclass(frozen=True)
class EnsembleFit:
    """Mean training loss per epoch, and the outputs (M, N) before the sigmoid for all cells."""

    loss_curve: list[float]
    outputs: np.ndarray


def train(
    networks: Networks[R],
    cells_NB4: np.ndarray,
    targets_N: np.ndarray,
    trains_on_MN: np.ndarray,
    settings: EnsembleSettings,
    seed: int,
) -> EnsembleFit:
    """Fit M models to targets in 0..1, model m on the cells where `trains_on_MN[m]`, by mean squared error.

    AdamW; learning rate and weight decay follow one half period of a cosine to 0.
    """
    data = networks.rows(cells_NB4)
    targets_1N = torch.from_numpy(targets_N.astype(np.float32))[None]
    share_MN = torch.from_numpy(trains_on_MN.astype(np.float32))
    for tensor in networks.tensors:
        tensor.requires_grad_(True)
    optimizer = torch.optim.AdamW(
        networks.tensors, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(seed)
    num_cells = len(targets_N)
    batch_size = min(_LARGEST_BATCH, max(_SMALLEST_BATCH, math.ceil(num_cells / _BATCHES_PER_EPOCH)))
    num_batches = math.ceil(num_cells / batch_size)
    loss_curve: list[float] = []
    best_epoch = 0
    for epoch in range(settings.epochs):
        epoch_loss = torch.zeros(())
        for batch, rows in enumerate(torch.randperm(num_cells, generator=generator).split(batch_size)):
            progress = (epoch * num_batches + batch) / (settings.epochs * num_batches)
            _schedule(optimizer, settings, progress)
            predicted_MK = torch.sigmoid(networks.forward(data[rows]))
            squares_MK = (predicted_MK - targets_1N[:, rows]).square() * share_MN[:, rows]
            # Models are independent: the sum of their losses trains each as if it were alone.
            loss = (squares_MK.sum(dim=1) / share_MN[:, rows].sum(dim=1).clamp(min=1)).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            epoch_loss += squares_MK.detach().sum() / share_MN.sum()
        loss_curve.append(float(epoch_loss))
        if loss_curve[-1] < loss_curve[best_epoch]:
            best_epoch = epoch
        if epoch - best_epoch >= settings.patience:
            break
    for tensor in networks.tensors:
        tensor.requires_grad_(False)
    return EnsembleFit(loss_curve, _outputs(networks, data, num_cells))


@torch.inference_mode()
def _outputs(networks: Networks[R], data: R, num_cells: int) -> np.ndarray:
    parts = [networks.forward(data[rows]) for rows in torch.arange(num_cells).split(256)]
    return torch.cat(parts, dim=1).numpy()


def _schedule(optimizer: torch.optim.Optimizer, settings: EnsembleSettings, progress: float) -> None:
    factor = 0.5 * (1 + math.cos(math.pi * progress))
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * factor
        group["weight_decay"] = settings.weight_decay * factor
