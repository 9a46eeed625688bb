"""Colours that stand beside one another are told apart by readers who lack a kind of cone, too.

Simulated as Machado, Oliveira and Fernandes (2009) do, severity 1; distances are those of CIE 1976 L*a*b*,
where about 2.3 is just seen.
"""

from itertools import combinations

import numpy as np
import pytest

from popnas.report import canvas

SIGHT = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.95047, 1.0, 1.08883])
SETS = {
    "runs of a comparison": [canvas.series(number)[0] for number in range(7)],
    "what cells were chosen by": [colour for _, colour in canvas.MARKS.values()],
    "where time goes": [canvas.BLUE, canvas.SKY, canvas.ORANGE, canvas.VERMILION],
    "objectives": [canvas.BLUE, canvas.GREEN, canvas.PURPLE, canvas.ORANGE],
    "a front on a slide": [canvas.BLUE, canvas.VERMILION, "#b6bcc6"],
}
FAR_APART = 15.0


def seen(colour: str, sight: np.ndarray) -> np.ndarray:
    """A colour #rrggbb in L*a*b*."""
    srgb = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    relative = XYZ @ np.clip(sight @ linear, 0, 1) / WHITE
    f = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one: str, other: str, sight: np.ndarray) -> float:
    return float(np.linalg.norm(seen(one, sight) - seen(other, sight)))


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("name", SETS)
def test_colours_of_a_figure_are_far_apart(name, sight):
    for one, other in combinations(dict.fromkeys(SETS[name]), 2):
        assert distance(one, other, SIGHT[sight]) > FAR_APART, (one, other)


@pytest.mark.parametrize("sight", SIGHT)
def test_steps_get_lighter_in_order(sight):
    lightness = [seen(colour, SIGHT[sight])[0] for colour in canvas.step_colours(range(5)).values()]
    assert lightness == sorted(lightness)


def test_red_and_green_would_not_pass():
    assert distance("#b03a2e", "#6b6b1f", SIGHT["deuteranopia"]) < FAR_APART
