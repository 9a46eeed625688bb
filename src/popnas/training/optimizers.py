"""Optimizers as the configuration names them, with the weight decay that each of them means.

- `adamW`, `SGDW`: decoupled (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019). Per
  step every weight, of whatever kind, loses the share `weight_decay * factor(step)` of itself. torch
  multiplies its decay by the current rate, so it is handed `weight_decay / peak rate`.
- `adam`, `SGD`: an L2 penalty `weight_decay * |w|^2` on kernels (all weights of two dimensions or more), so
  its gradient is `2 * weight_decay * w`; torch's `weight_decay` is that factor of w.
- `radam`: as torch has it (an L2 gradient `weight_decay * w` on every weight).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import StateDict

from popnas.training.settings import TrainingSettings


class SGDW(torch.optim.SGD):
    """SGD with momentum and decoupled weight decay: before a step each weight loses `lr * decoupled_decay`
    of itself.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, momentum: float, decoupled_decay: float, **options: Any
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, **options)
        for group in self.param_groups:
            group.setdefault("decoupled_decay", decoupled_decay)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Decay, then the step of SGD; neither where a `GradScaler` found that gradients overflowed, which it
        leaves in `found_inf` of fused optimizers."""
        assert closure is None, "the loop computes gradients itself"
        overflowed: Tensor | None = getattr(self, "found_inf", None)
        for group in self.param_groups:
            share = group["lr"] * group["decoupled_decay"]
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if group["decoupled_decay"] and weights:  # not the share: while steps are recorded it is a tensor
                kept = 1.0 - share if overflowed is None else 1.0 - share * (overflowed == 0).squeeze()
                torch._foreach_mul_(weights, kept)
        return super().step()


def make(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    """The optimizer of `settings` over `parameters`, its rate at the configured peak.

    The loop sets each group's `lr` before every step. Fused kernels are taken where torch has them: on a
    CPU a step of AdamW over the 120 small tensors of a candidate takes 0.5 ms fused, 2 ms with foreach and
    5 ms without either.
    """
    weights = list(parameters)
    optimizer = _base(weights, settings)
    if settings.lookahead is None:
        return optimizer
    # Imported here because it takes 0.6 s and few runs ask for it.
    from pytorch_optimizer import Lookahead

    return Lookahead(optimizer, k=settings.lookahead.sync_period, alpha=settings.lookahead.slow_step_size)


def scaler_for(optimizer: torch.optim.Optimizer, device: torch.device) -> torch.amp.GradScaler:
    """What scales gradients in float16, which would underflow, and has steps left out whose gradients
    overflow.

    Fused optimizers leave them out on the device; `radam`, and any with Lookahead, have the host ask after
    every step.
    """
    if isinstance(optimizer, torch.optim.SGD):
        # The fused kernel would go on with momentum that nobody has written if it left out the very first
        # step, as the scale is high at the start.
        for group in optimizer.param_groups:
            for weight in group["params"] if group["momentum"] else ():
                optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return torch.amp.GradScaler(device.type)


def _base(weights: list[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    # A TPU has no fused kernels, but its counts are on the device, too: else they would be part of programs.
    is_tpu = weights[0].device.type == "xla"
    fused = not is_tpu
    kind, rate, decay = settings.optimizer.kind, settings.learning_rate, settings.weight_decay
    momentum = settings.optimizer.momentum
    if kind == "adamW":
        return torch.optim.AdamW(weights, lr=rate, weight_decay=decay / rate, fused=fused, capturable=is_tpu)
    if kind == "SGDW":
        return SGDW(weights, lr=rate, momentum=momentum, decoupled_decay=decay / rate, fused=fused)
    if kind == "adam":
        return torch.optim.Adam(
            _kernels_decayed(weights, 2.0 * decay), lr=rate, fused=fused, capturable=is_tpu
        )
    if kind == "SGD":
        return torch.optim.SGD(
            _kernels_decayed(weights, 2.0 * decay), lr=rate, momentum=momentum, fused=fused
        )
    assert kind == "radam", kind
    return torch.optim.RAdam(weights, lr=rate, weight_decay=decay, foreach=not is_tpu, capturable=is_tpu)


def _kernels_decayed(weights: list[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    kernels: list[Tensor] = [weight for weight in weights if weight.ndim >= 2]
    others: list[Tensor] = [weight for weight in weights if weight.ndim < 2]
    groups = [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def without_lookahead(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimizer that steps."""
    return getattr(optimizer, "optimizer", optimizer)


def load(optimizer: torch.optim.Optimizer, state: StateDict) -> None:
    """Go on from another one's `state_dict`, of any device: which kernels compute is changed in `state`.

    Raises:
        KeyError, ValueError: it is of another network.
    """
    for given, own in zip(
        state.get("base_optimizer", state)["param_groups"], optimizer.param_groups, strict=True
    ):
        given.update({name: own[name] for name in ("fused", "foreach", "capturable") if name in own})
    optimizer.load_state_dict(state)


def set_rate(optimizer: torch.optim.Optimizer, rate: float | Tensor) -> None:
    """Set the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate
