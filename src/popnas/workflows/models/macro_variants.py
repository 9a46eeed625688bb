"""Wider and deeper networks of the same cell: which model selection tries beside the run's own.

Params are those of the network with one head, as `popnas describe` gives them, computed exactly and without
building anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from popnas.cells import Cell
from popnas.config import ArchitectureConfig, bounds
from popnas.errors import UserError
from popnas.evaluators.training.describing import one_head
from popnas.networks.cost import network_cost
from popnas.networks.spec import NetworkSpec

MORE_MOTIFS = (0, 1)
MORE_NORMAL_CELLS = (0, 1, 2)
FILTER_FACTORS = (0.85, 1.0, 1.5, 1.75, 2.0)
_NUM_NEAREST = 3


@dataclass(frozen=True)
class Macro:
    """A macro-architecture: motifs, normal cells per motif, filters; `params` with the cell at hand."""

    motifs: int
    normal_cells: int
    filters: int
    params: int

    def __str__(self) -> str:
        return f"{self.motifs} motifs, {self.normal_cells} normal cells, {self.filters} filters"


@dataclass(frozen=True)
class ParamsRange:
    """Params strictly between two bounds."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g};{self.high:g}"

    def holds(self, params: int) -> bool:
        """Whether so many params lie strictly within."""
        return self.low < params < self.high

    def distance(self, params: int) -> float:
        """How far outside, as a ratio; 1 at a bound."""
        return max(self.low / max(params, 1), params / self.high)


def parse_params_range(text: str) -> ParamsRange:
    """ "2.5e6;3.5e6" as a range.

    Raises:
        UserError: not two numbers, or a range that holds no number of params.
    """
    place, example = f'`params` "{text}"', 'Write two numbers with a semicolon, as in `params` "2.5e6;3.5e6".'
    parts = [part.strip() for part in text.split(";")]
    if len(parts) != 2:
        raise UserError(
            f"{place}: must be a lower and an upper bound, but it has {len(parts)} part(s). {example}"
        )
    bounds = []
    for part, name in zip(parts, ("lower", "upper"), strict=True):
        try:
            bounds.append(float(part))
        except ValueError:
            raise UserError(f"{place}: the {name} bound '{part}' is no number. {example}") from None
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high)) or low < 0:
        raise UserError(f"{place}: both bounds must be finite and not negative. {example}")
    if low > high:
        raise UserError(f'{place}: the bounds are reversed. Write `params` "{parts[1]};{parts[0]}".')
    if math.floor(low) + 1 >= high:
        raise UserError(
            f"{place}: the range is empty, since params must lie strictly between the bounds. "
            "Set them further apart."
        )
    return ParamsRange(low, high)


def original(cell: Cell, spec: NetworkSpec) -> Macro:
    """The macro-architecture of a spec as it is."""
    return _macro(cell, spec, spec.motifs, spec.normal_cells_per_motif, spec.filters)


def alternatives(cell: Cell, spec: NetworkSpec, allowed: ParamsRange) -> list[Macro]:
    """For each number of motifs and of normal cells the most filters whose params are allowed, by motifs and
    normal cells; the original is not among them."""
    found = []
    for group in _grid(cell, spec):
        fitting = [macro for macro in group if allowed.holds(macro.params)]
        if fitting and (largest := max(fitting, key=lambda macro: macro.filters)) != original(cell, spec):
            found.append(largest)
    return found


def like(cell: Cell, spec: NetworkSpec, params: int) -> Macro:
    """The cell's network with the most filters whose params are at most so many; with one filter, if even
    that has more."""
    least, most = bounds(ArchitectureConfig, "filters")
    while least < most:
        filters = (least + most + 1) // 2
        if _macro(cell, spec, spec.motifs, spec.normal_cells_per_motif, filters).params <= params:
            least = filters
        else:
            most = filters - 1
    return _macro(cell, spec, spec.motifs, spec.normal_cells_per_motif, least)


def nothing_fits(cell: Cell, spec: NetworkSpec, allowed: ParamsRange) -> str | None:
    """If no macro-architecture of the cell is allowed, not even the original: a message with the nearest."""
    macros = {macro for group in _grid(cell, spec) for macro in group} | {original(cell, spec)}
    if any(allowed.holds(macro.params) for macro in macros):
        return None
    ranked = sorted(macros, key=lambda macro: (allowed.distance(macro.params), macro.params))
    nearest = "; ".join(f"{macro} have {macro.params:,} params" for macro in ranked[:_NUM_NEAREST])
    return (
        f'`params` "{allowed}": no macro-architecture of {cell} lies in this range, so only the original is '
        f"trained. The nearest: {nearest}."
    )


def _grid(cell: Cell, spec: NetworkSpec) -> list[list[Macro]]:
    """All macro-architectures that are looked at, grouped by motifs and normal cells."""
    most_filters, most_motifs, most_cells = (
        bounds(ArchitectureConfig, name)[1] for name in ("filters", "motifs", "normal_cells_per_motif")
    )
    counts = sorted({int(spec.filters * factor) for factor in FILTER_FACTORS} - {0})
    return [
        [_macro(cell, spec, motifs, normal_cells, filters) for filters in counts if filters <= most_filters]
        for motifs in (spec.motifs + more for more in MORE_MOTIFS)
        for normal_cells in (spec.normal_cells_per_motif + more for more in MORE_NORMAL_CELLS)
        if motifs <= most_motifs and normal_cells <= most_cells
    ]


def _macro(cell: Cell, spec: NetworkSpec, motifs: int, normal_cells: int, filters: int) -> Macro:
    changed = one_head(spec).replace(motifs=motifs, normal_cells_per_motif=normal_cells, filters=filters)
    return Macro(motifs, normal_cells, filters, network_cost(cell, changed).params)
