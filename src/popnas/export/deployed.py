"""A trained network as users call it: raw values in, probabilities of the last head out.

`x`: images (B, C, H, W) with values 0..255, or series (B, C, L) as in the files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from popnas.datasets.preprocessing import Preprocessing
from popnas.networks.answering import Answering


class DeployedNetwork(nn.Module):
    """Preprocessing, the network in eval mode, softmax over the classes."""

    offset: Tensor
    scale: Tensor

    def __init__(self, network: Answering, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        shape = (1, -1, *[1] * network.contract.num_dims)
        self.register_buffer("offset", torch.tensor(preprocessing.offset, dtype=torch.float32).reshape(shape))
        self.register_buffer("scale", torch.tensor(preprocessing.scale, dtype=torch.float32).reshape(shape))
        self.eval()

    def forward(self, x: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """(B, classes) probabilities; `lengths_B` (int64, timesteps before the padding) for series of
        unequal lengths only."""
        ready = (x - self.offset) * self.scale
        if lengths_B is not None:
            is_inside = torch.arange(x.shape[2], device=x.device) < lengths_B[:, None, None]
            ready = ready.masked_fill(~is_inside, 0.0)  # not a product: NaN may stand behind the end
        return torch.softmax(self.network(ready, lengths_B)[-1], dim=1)
