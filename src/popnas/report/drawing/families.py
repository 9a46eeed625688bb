"""A colour per family of operators, the same in every drawing.

The family is the last word of an operator's name ("3x3 dconv": dconv), with convolutions of two kernels
("1x3-3x1 conv") and dilated ones ("3x3:2dr conv") beside their plain kind. Names are only looked at:
importing the operators would import torch.
"""

from __future__ import annotations

import zlib

_COLOURS = {
    "identity": "#6b7280",
    "conv": "#0072B2",
    "stacked conv": "#56B4E9",
    "dconv": "#009E73",
    "zconv": "#117A8B",
    "tconv": "#7A5CC0",
    "maxpool": "#E69F00",
    "avgpool": "#B8A100",
    "se": "#CC79A7",
    "cvt": "#D55E00",
    "scvt": "#B04A5A",
    "lstm": "#8C5A2B",
    "gru": "#A8763E",
}
_OTHERS = ("#5B6ABF", "#3F8F5B", "#A05195", "#C06C3A", "#2F7F86", "#94632F")


def colour(operator: str) -> str:
    """The family's colour as #rrggbb."""
    words = operator.split()
    family = words[-1].lower() if words else ""
    if family == "conv" and "-" in operator:
        family = "stacked conv"
    # Of a family that we do not know every member still looks alike, in every process (hash() would not).
    return _COLOURS.get(family) or _OTHERS[zlib.crc32(family.encode()) % len(_OTHERS)]


def tint(colour: str, share: float = 0.2) -> str:
    """A colour mixed with white; `share` of it remains."""
    channels = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 - share * (255 - value)):02x}" for value in channels)
