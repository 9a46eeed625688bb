"""How long a trained network takes to answer."""

from __future__ import annotations

import torch
from torch import nn

from popnas.placement import Placement
from popnas.training.clocks import clock_for
from popnas.training.device import without_gradients
from popnas.training.memory import freed_memory_kept

NUM_BATCHES = 10
NUM_WARM_UPS = 3


def inference_seconds(
    network: nn.Module,
    input_shape: tuple[int, ...],
    batch_size: int,
    placement: Placement,
    *,
    has_lengths: bool = False,
) -> float:
    """Mean seconds of a forward pass in eval mode over 10 batches, after 3 that do not count.

    `input_shape` is channels-last, (height, width, channels) or (timesteps, channels); the values are
    random, since no operator's cost depends on them. The network must be on the device of
    `placement`, and is left in the mode that it was in.
    """
    generator = torch.Generator().manual_seed(0)
    *size, channels = input_shape
    device = placement.device
    x = placement.laid_out(torch.rand((batch_size, channels, *size), generator=generator).to(device))
    lengths_B = torch.full((batch_size,), size[0], device=device) if has_lengths else None
    was_training = network.training
    network.eval()
    warm_up, measured = clock_for(device), clock_for(device)
    try:
        with without_gradients(device), placement.precision(), freed_memory_kept(device):
            for clock in [warm_up] * NUM_WARM_UPS + [measured] * NUM_BATCHES:
                clock.start()
                answers = network(x, lengths_B)
                clock.stop()
                del answers  # not before: a TPU computes nothing that nobody has
            return measured.seconds() / NUM_BATCHES
    finally:
        network.train(was_training)
