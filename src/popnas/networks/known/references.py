"""Networks that are known, which whoever searches would take otherwise: what a found one is compared with.

Each is a cell in a macro-architecture, so it is trained, evaluated, exported and opened as any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from popnas.networks.spec import NetworkSpec

_KERNELS = math.comb(9, 3)
_MOST_PARAMS = 500_000
_MANY_EXAMPLES, _FEWER = 4000, 24
_MOST_COMPARED, _MOST_KEPT = 10**10, 10**8
"""Of all timesteps with all biases, about 16 CPU seconds (450 series of 270 timesteps with 9,996 features
took 2 s for 1.2e9), and of features of all examples, which the head's fit holds several times, as doubles."""


@dataclass(frozen=True)
class Reference:
    """`name`: in names of folders; `title`: in sentences; `cell`: as text; `macro`: its macro-architecture,
    None: that of the networks that it is compared with; `is_fitted`: in one pass over the training data, and
    not trained in epochs. `source`: who proposed it."""

    name: str
    title: str
    cell: str
    source: str
    macro: str | None = None
    is_fitted: bool = False


RESIDUAL = Reference(
    "residual",
    "the residual network",
    "[(-1, 3x3-3x3 conv, -1, identity)]",
    "He et al. 2016 (ResNet): two convolutions and the input added",
)
DEEPLAB = Reference(
    "deeplab",
    "the DeepLab-like network",
    RESIDUAL.cell,
    "Chen et al. 2017 (DeepLab v3): residual encoder, atrous spatial pyramid pooling",
    macro="segmentation_fixed",
)
INCEPTION = Reference(
    "inception",
    "the Inception-like network",
    "[(-1, 9 conv, -1, 19 conv);(-1, 39 conv, -1, 3 maxpool)]",
    "Ismail Fawaz et al. 2020 (InceptionTime): convolutions of three lengths and a pooling side by side",
)
RANDOM_KERNELS = Reference(
    "random_kernels",
    "the random-kernel classifier",
    "[]",
    "Dempster et al. 2021 (MiniRocket)",
    macro="random_kernels",
    is_fitted=True,
)
RANDOM_KERNELS_OF_DIFFERENCES = Reference(
    "random_kernels_differences",
    "the random-kernel classifier with differences",
    "[]",
    "Tan et al. 2022 (MultiRocket): the series and their first differences",
    macro="random_kernels_differences",
    is_fitted=True,
)


def kernel_features(spec: NetworkSpec, num_examples: int) -> int:
    """Features of each random kernel: 119 as published, 9,996 in all, but of many classes so few that the
    head has at most half a million params, and of many or long examples so few that it is fitted in seconds
    and in a few GiB."""
    most = 119 if num_examples <= _MANY_EXAMPLES else _FEWER
    readings = 2 if spec.macro == RANDOM_KERNELS_OF_DIFFERENCES.macro else 1
    of_one = _KERNELS * readings
    params = _MOST_PARAMS // (of_one * spec.num_classes)
    kept = _MOST_KEPT // (of_one * num_examples)
    compared = _MOST_COMPARED // (of_one * num_examples * spec.input_size[0])
    return max(1, min(most, params, kept, compared))
