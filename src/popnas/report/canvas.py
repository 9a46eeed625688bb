"""The look that all figures share: palette, sizes, axes; matplotlib without pyplot, so nothing global.

Layouts are computed in inches instead of asking matplotlib to find them: that would draw every figure twice.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context, rcParams, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from popnas.printable import told_apart
from popnas.process_state import in_turn, without_warnings

# Okabe and Ito (2008), a palette that colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
MARKS = {"front": ("o", VERMILION), "exploration": ("^", BLUE), "random": ("s", GREEN)}
"""By what cells were chosen by, how they are marked."""
PURPLE, SKY, YELLOW = "#CC79A7", "#56B4E9", "#F0E442"
INK, MUTED, GRID = "#1f2328", "#6b7280", "#e5e7eb"

DPI = 100
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "legend.handletextpad": 0.5,
    "axes.labelsize": 9.5,
    "axes.edgecolor": "#9ca3af",
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    # A legend stands on a ground of its own: over points, bare text cannot be read.
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.facecolor": "white",
    "legend.edgecolor": "none",
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "path.simplify": True,
    # No text is a formula: names of users may hold dollar signs.
    "text.parse_math": False,
    # Names of parts in an SVG are drawn from it, and not at random: equal figures are equal files.
    "svg.hashsalt": "popnas",
}
# What belongs to the whole process and not to a look.
_NOT_OF_A_LOOK = ("backend", "interactive", "toolbar", "webagg", "tk.", "keymap", "date.epoch", "docstring")


@dataclass(frozen=True)
class Margins:
    """Around panels and between them (`gap` across, None: as `left`; `row_gap` down), in inches."""

    left: float = 0.78
    right: float = 0.2
    bottom: float = 0.55
    top: float = 0.68
    gap: float | None = None
    row_gap: float = 0.85


def panels(
    num_rows: int,
    num_columns: int,
    title: str,
    *,
    width: float = 4.2,
    height: float = 3.0,
    margins: Margins = Margins(),
    projection: str | None = None,
) -> tuple[Figure, list[list[Axes]]]:
    """A titled figure of equal panels; all sizes in inches, `width` and `height` of one panel's axes.

    Painted within the look `STYLE` (`Plot.figure` sees to it).

    Returns:
        The figure and its axes, row by row.
    """
    gap = margins.left if margins.gap is None else margins.gap
    total_width = margins.left + num_columns * width + (num_columns - 1) * gap + margins.right
    total_height = margins.top + num_rows * height + (num_rows - 1) * margins.row_gap + margins.bottom
    figure = Figure(figsize=(total_width, total_height), dpi=DPI)
    renderer = FigureCanvasAgg(figure).get_renderer()
    heading = figure.text(0, 1 - 0.14 / total_height, title, size=12, weight="bold", va="top")
    # A few panels may be narrower than what stands above them.
    total_width = max(total_width, heading.get_window_extent(renderer).width / DPI + 2 * 0.14)
    figure.set_figwidth(total_width)
    heading.set_x(0.14 / total_width)
    rows = []
    for row in range(num_rows):
        y = margins.bottom + (num_rows - 1 - row) * (height + margins.row_gap)
        rows.append(
            [
                figure.add_axes(
                    (
                        (margins.left + column * (width + gap)) / total_width,
                        y / total_height,
                        width / total_width,
                        height / total_height,
                    ),
                    projection=projection,
                )
                for column in range(num_columns)
            ]
        )
    return figure, rows


def legend(axes: Axes, **how: Any) -> None:
    """A legend of what is painted with a label, as `how` tells matplotlib; none where nothing is: a step that
    selected no candidate has nothing to explain, and matplotlib would warn on the user's terminal."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**how)


_PREFIXES_OF_SECONDS = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"))
_PREFIXES_OF_COUNTS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


class _Scaled(Formatter):
    """Tick labels with one prefix for the whole axis (matplotlib's EngFormatter mixes 600 ms and 1.2 s)."""

    def __init__(self, unit: str) -> None:
        self.unit = unit

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The labels of all ticks of the axis."""
        largest = max((abs(float(value)) for value in values), default=1.0)
        prefixes = _PREFIXES_OF_SECONDS if self.unit else _PREFIXES_OF_COUNTS
        scale, prefix = next((item for item in prefixes if largest >= item[0]), prefixes[-1])
        return [f"{value / scale:.4g} {prefix}{self.unit}".strip() if value else "0" for value in values]

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.format_ticks([x])[0]


def scale_axis(axis: Axis, unit: str) -> None:
    """Ticks like 250 ms or 1.2 M for an axis of values in `unit` ("s" for seconds, "" for counts)."""
    axis.set_major_formatter(_Scaled(unit))
    axis.set_major_locator(MaxNLocator(5))


def log_scale_y(axes: Axes) -> None:
    """A logarithmic y axis with ticks like 0.02, 0.05, 0.1 (matplotlib's own are formulas)."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


@contextmanager
def look() -> Iterator[None]:
    """All painting and encoding happens within: our own look over matplotlib's defaults, nothing of the
    settings of the user (`matplotlibrc`, styles of a notebook)."""
    defaults = {key: value for key, value in rcParamsDefault.items() if not key.startswith(_NOT_OF_A_LOOK)}
    # A font need not have every letter of a user's names: it shows a box in its place.
    with in_turn("matplotlib"), rc_context(), without_warnings("Glyph .* missing from"):
        dict.update(rcParams, defaults)  # as rc_context puts them back: they are valid already
        rcParams.update(STYLE)
        yield


def label(name: str, length: int = 24) -> str:
    """A user's name (class, run, operator) as a figure shows it: on one line, of so many characters at
    most, the middle of a long one left out."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    end = length // 3
    shown = shown if len(shown) <= length else f"{shown[: length - 1 - end]}…{shown[-end:]}"
    # A legend leaves out what begins with an underscore.
    return f" {shown}" if shown.startswith("_") else shown


def labels(names: Sequence[str]) -> list[str]:
    """The `label` of each of several names, which do not look alike."""
    return told_apart(names, label)


def shown_unit(unit: str) -> str:
    """The unit that `scale_axis` shows: counts bear none."""
    return "s" if unit == "s" else ""


def encode(figure: Figure, kind: str = "png", *, dpi: int = DPI) -> bytes:
    """The figure as the bytes of a file of that kind ("png", "pdf", "svg")."""
    stream = io.BytesIO()
    # Without a date two equal runs have equal files.
    metadata = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
    with look():
        figure.savefig(stream, format=kind, dpi=dpi, metadata=metadata)
    return stream.getvalue()


def step_colours(steps: Sequence[int]) -> dict[int, str]:
    """A colour per step, dark to light along plasma up to where dots can still be told from white (in a dark
    report, which turns light and dark round, from black)."""
    from matplotlib import colormaps

    ramp = colormaps["plasma"]
    last = max(len(steps) - 1, 1)
    return {step: to_hex(ramp(0.6 * place / last)) for place, step in enumerate(steps)}


def encode_painted(paint: Callable[[], Figure], kind: str = "png", *, dpi: int = DPI) -> bytes:
    """What `paint` draws as `encode` gives it, painted in the look of all figures."""
    with look():
        return encode(paint(), kind, dpi=dpi)


def series(number: int) -> tuple[str, str]:
    """Colour and marker of the n-th of several runs; distinct for 35 of them."""
    colours = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
    return colours[number % len(colours)], "os^Dv"[number % 5]
