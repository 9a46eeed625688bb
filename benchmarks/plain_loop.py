"""The training loop that tutorials show, to compare with: a DataLoader, torch's own layout, float32."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset


class Images(Dataset[Any]):
    """x: (N, H, W, C) uint8, y: (N,) -> one by one, (C, H, W) in 0..1."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(self.x[index]).permute(2, 0, 1).float() / 255, int(self.y[index])


def epochs(network: Any, images: Images, num_epochs: int, batch_size: int, **loading: Any) -> Iterator[float]:
    """Train with AdamW and a cosine schedule; gives the seconds of each epoch. `loading`: of the DataLoader,
    which shuffles unless a `sampler` is among them; `label_smoothing` of the loss."""
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=loading.pop("label_smoothing", 0.0))
    loader = DataLoader(images, batch_size=batch_size, shuffle="sampler" not in loading, **loading)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_epochs * len(loader))
    for _ in range(num_epochs):
        began = time.perf_counter()
        network.train()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            heads = zip(network.head_weights, network(x), strict=True)
            loss = sum(weight * loss_of(logits, y) for weight, logits in heads)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        yield time.perf_counter() - began


@torch.no_grad()
def accuracy(network: Any, images: Images, batch_size: int) -> float:
    """Of the last head, in 0..1."""
    network.eval()
    hits = 0
    for x, y in DataLoader(images, batch_size=batch_size):
        hits += int((network(x)[-1].argmax(dim=1) == y).sum())
    return hits / len(images)
