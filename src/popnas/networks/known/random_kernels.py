"""Series by shares of positive values of fixed dilated convolutions, and a ridge head on them (after Dempster
et al. 2021, "MiniRocket").

All 84 kernels of nine weights, three of them 2 and six -1, at up to 32 dilations. A feature is the share of
a convolution's outputs that lie above a bias; biases are quantiles of what the convolutions answer to
training series. Of several channels each kernel and dilation reads the sum of a random few. The variant
with differences reads the changes of a series beside itself (Tan et al. 2022, "MultiRocket").

Ours differs in one point: whether an output lies above a bias is a ramp and not a jump, `_RAMP` of the
input's deviation wide. Where outputs tie with a bias (constant stretches), a jump would answer rounding
errors, which differ between PyTorch and ONNX Runtime. Axes: B batch, C channels, L timesteps, P the 84
patterns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from popnas.cells import Cell
from popnas.networks.known import ridge
from popnas.networks.known.fitted import FittedNetwork, FittingBatch
from popnas.networks.spec import NetworkSpec
from popnas.seeds import derive_seed

NUM_PATTERNS, LENGTH = 84, 9
_MOST_DILATIONS, _MOST_CHANNELS = 32, 9
_RAMP = 1 / 256
_BELOW_ALL = -1e30
_TIMESTEPS_AT_ONCE = 2048
"""Of all biases that are compared with in one operation: few operations are quick to export, and more would
take memory."""
_FOR_BIASES = 512
"""Training series of which biases are taken; each kernel and dilation looks at one of them."""


def dilations(num_timesteps: int, features: int) -> dict[int, int]:
    """How many of a kernel's features each dilation has: about as many for every doubling, up to the dilation
    at which a kernel is as long as the series."""
    most = math.log2(max(num_timesteps - 1, LENGTH - 1) / (LENGTH - 1))
    number = min(features, _MOST_DILATIONS)
    drawn = [int(2 ** (most * step / max(number - 1, 1))) for step in range(number)]
    found = dict.fromkeys(drawn, 0)
    # Those that the division leaves over go to the smallest dilations.
    for place in range(features):
        found[drawn[place % number]] += 1
    return found


def _patterns() -> Tensor:
    """(P, 1, 9): -1 everywhere but at three places, where it is 2."""
    weight_P19 = torch.full((NUM_PATTERNS, 1, LENGTH), -1.0)
    for kernel, places in enumerate(itertools.combinations(range(LENGTH), 3)):
        weight_P19[kernel, 0, list(places)] = 2.0
    return weight_P19


class KernelShares(nn.Module):
    """Series (B, C, L) -> shares (B, P * features) between 0 and 1, once `fit` has drawn channels and biases;
    `features`: how many each kernel has, of series of `num_timesteps`."""

    weight: Tensor
    scale: Tensor

    def __init__(self, num_timesteps: int, channels: int, features: int) -> None:
        super().__init__()
        self.channels, self.num_features = channels, features
        self.dilations = dilations(num_timesteps, features)
        self._num_together = max(_TIMESTEPS_AT_ONCE // num_timesteps, 1)
        self.register_buffer("weight", _patterns(), persistent=False)
        self.register_buffer("scale", torch.ones(()))
        for dilation, number in self.dilations.items():
            self.register_buffer(f"biases_{dilation}", torch.zeros(number, NUM_PATTERNS, 1))
            if channels > 1:
                self.register_buffer(f"mix_{dilation}", torch.zeros(NUM_PATTERNS, channels))

    def forward(self, x_BCL: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """See the class. `lengths_B`: where each series ends, None: nowhere before the last timestep."""
        found = []
        for index, dilation in enumerate(self.dilations):
            y_BPL = self._convolved(x_BCL, dilation)
            is_counted_BPL = self._counted(x_BCL, lengths_B, index, dilation)
            share_BP = 1 / is_counted_BPL.sum(dim=2).clamp(min=1).float()
            y_BPL = y_BPL.masked_fill(~is_counted_BPL, _BELOW_ALL)
            for bias_FP1 in getattr(self, f"biases_{dilation}").split(self._num_together):
                above_BFP = (y_BPL[:, None] - bias_FP1).clamp(0.0, 1.0).sum(dim=3)
                found.append((above_BFP * share_BP[:, None]).flatten(1))
        return torch.cat(found, dim=1)

    def _convolved(self, x_BCL: Tensor, dilation: int) -> Tensor:
        """(B, P, L): what each kernel answers at every timestep, in units of the ramp."""
        x_BCL = x_BCL * self.scale
        padding = dilation * (LENGTH // 2)
        if self.channels == 1:
            return nn.functional.conv1d(x_BCL, self.weight, padding=padding, dilation=dilation)
        mixed_BPL = getattr(self, f"mix_{dilation}") @ x_BCL
        return nn.functional.conv1d(
            mixed_BPL, self.weight, padding=padding, dilation=dilation, groups=NUM_PATTERNS
        )

    def _counted(self, x_BCL: Tensor, lengths_B: Tensor | None, index: int, dilation: int) -> Tensor:
        """(B or 1, P, L): which timesteps count. Every second kernel, and of the next dilation the others,
        leaves out where it reaches over an end of the series; one that does so everywhere counts nothing."""
        place_L = torch.arange(x_BCL.shape[2], device=x_BCL.device)
        end_B11 = x_BCL.shape[2] if lengths_B is None else lengths_B[:, None, None]
        is_padded_P = (torch.arange(NUM_PATTERNS, device=x_BCL.device) + index) % 2 == 0
        reach_P1 = torch.where(is_padded_P, 0, dilation * (LENGTH // 2))[:, None]
        return ((place_L >= reach_P1) & (place_L < end_B11 - reach_P1)).reshape(
            -1, NUM_PATTERNS, x_BCL.shape[2]
        )

    @torch.no_grad()
    def fit(self, x_NCL: Tensor, ends_N: Tensor, generator: torch.Generator) -> None:
        """Draw the channels of each kernel, and take biases from series and where each ends."""
        self.scale.fill_(1 / (_RAMP * max(float(_inside(x_NCL, ends_N).std(correction=0)), 1e-6)))
        done, total = 0, NUM_PATTERNS * self.num_features
        for dilation, number in self.dilations.items():
            if self.channels > 1:
                self._draw_channels(dilation, generator)
            for kernel in range(NUM_PATTERNS):
                one = int(torch.randint(len(x_NCL), (), generator=generator))
                y_L = self._convolved(x_NCL[one : one + 1, :, : int(ends_N[one])], dilation)[0, kernel]
                # Quantiles that are spread evenly, however many they are: multiples of the golden ratio.
                shares = torch.arange(done + 1, done + number + 1) * ((math.sqrt(5) + 1) / 2) % 1
                # Half a ramp lower: `features` clamps to 0..1 what lies above.
                bias = torch.quantile(y_L, shares.to(y_L)) - 0.5
                getattr(self, f"biases_{dilation}")[:, kernel, 0] = bias
                done += number
        assert done == total, (done, total)

    def _draw_channels(self, dilation: int, generator: torch.Generator) -> None:
        """For every kernel a random few of the channels: as often one as two to three, four to seven, ..."""
        channels = self.channels
        most = math.log2(min(channels, _MOST_CHANNELS) + 1)
        mix_PC = torch.zeros(NUM_PATTERNS, channels)
        for kernel in range(NUM_PATTERNS):
            number = int(2 ** (most * float(torch.rand((), generator=generator))))
            mix_PC[kernel, torch.randperm(channels, generator=generator)[:number]] = 1.0
        getattr(self, f"mix_{dilation}").copy_(mix_PC)


class RandomKernels(FittedNetwork):
    """Series -> shares -> classes. `spec.filters` is the number of features of each kernel;
    `has_differences`: the changes from each timestep to the next are read as well, by kernels with biases of
    their own."""

    def __init__(self, cell: Cell, spec: NetworkSpec, *, has_differences: bool = False) -> None:
        super().__init__(cell, spec, 0, (1.0,))
        self.has_differences = has_differences
        readings = 2 if has_differences else 1
        shape = (spec.input_size[0], spec.input_channels, spec.filters)
        self.shares = nn.ModuleList([KernelShares(*shape) for _ in range(readings)])
        self.head = nn.Linear(readings * NUM_PATTERNS * spec.filters, spec.num_classes)

    def __str__(self) -> str:
        return "of random kernels"

    @property
    def no_int8(self) -> str:
        """See `Answering`: most of the accuracy was lost on nearly every problem that was tried."""
        return "8 bits do not tell the biases apart that random kernels compare with"

    def forward(self, x: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, ...]:
        """See `Network.forward`; the one head's logits are (B, classes)."""
        assert (lengths_B is not None) == self.spec.has_lengths, "lengths belong to specs that have them"
        return (self.head(self.features(x, lengths_B)),)

    def features(self, x_BCL: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """(B, features) shares of all readings."""
        readings = zip(self.shares, self._readings(x_BCL, lengths_B), strict=True)
        return torch.cat([shares(y_BCL, lengths_B) for shares, y_BCL in readings], dim=1)

    def _readings(self, x_BCL: Tensor, lengths_B: Tensor | None) -> list[Tensor]:
        return [x_BCL, _differences(x_BCL, lengths_B)] if self.has_differences else [x_BCL]

    @torch.no_grad()
    def fit(self, batches: Iterable[FittingBatch], seed: int) -> float:
        """See `FittedNetwork.fit`: the biases first, then the head by `ridge.fit`."""
        generator = torch.Generator().manual_seed(seed)
        x_NCL, ends_N = _some(batches, _FOR_BIASES, seed)
        for shares, y_NCL in zip(self.shares, self._readings(x_NCL, ends_N), strict=True):
            assert isinstance(shares, KernelShares)
            shares.fit(y_NCL, ends_N, generator)
        found = [(self.features(batch.x, batch.lengths).cpu(), batch.y.cpu()) for batch in batches]
        features_NF, y_N = (torch.cat(parts) for parts in zip(*found, strict=True))
        head = ridge.fit(features_NF, y_N, self.spec.num_classes)
        self.head.weight.copy_(head.weight)
        self.head.bias.copy_(head.bias)
        return head.loss


def _differences(x_BCL: Tensor, lengths_B: Tensor | None) -> Tensor:
    """(B, C, L): each timestep less the one before it, 0 at the first and behind the end, where else the
    padding would show."""
    before_BCL = nn.functional.pad(x_BCL[:, :, :-1], (1, 0))
    place_L = torch.arange(x_BCL.shape[2], device=x_BCL.device)
    is_kept = place_L > 0
    if lengths_B is not None:
        is_kept = is_kept & (place_L < lengths_B[:, None, None])
    return (x_BCL - before_BCL).masked_fill(~is_kept, 0.0)


def _some(batches: Iterable[FittingBatch], number: int, seed: int) -> tuple[Tensor, Tensor]:
    """So many series (N, C, L), drawn from all, and where each ends: files are often sorted by class, and the
    first series would be of few."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "series for biases"))
    x_NCL, ends_N, keys_N = torch.empty(0), torch.empty(0), torch.empty(0)
    for batch in batches:
        whole_B = torch.full((len(batch.x),), batch.x.shape[2], device=batch.x.device)
        ends_B = whole_B if batch.lengths is None else batch.lengths
        keys_N = torch.cat([keys_N, torch.rand(len(ends_B), generator=generator)])
        x_NCL = torch.cat([x_NCL, batch.x]) if len(x_NCL) else batch.x
        ends_N = torch.cat([ends_N, ends_B]) if len(ends_N) else ends_B
        if len(keys_N) > number:  # those of the largest keys, in the order of the data
            kept_N = keys_N.topk(number).indices.sort().values
            keys_N = keys_N[kept_N]
            x_NCL, ends_N = (values[kept_N.to(values.device)] for values in (x_NCL, ends_N))
    return x_NCL, ends_N


def _inside(x_NCL: Tensor, ends_N: Tensor) -> Tensor:
    """All values before the ends."""
    is_inside_NL = torch.arange(x_NCL.shape[2], device=x_NCL.device) < ends_N[:, None]
    return x_NCL.movedim(1, 2)[is_inside_NL]
