"""Macro-architectures: how cells are stacked into a network and what heads it bears.

A new one is one file here (or in a package that offers the entry point group `popnas.networks`) with a
`MacroArchitecture` subclass declared by `@MACROS.register("name", description="...")`. Only `build` must be
written (and `plan`, where other cells are built than in the classification stack): without a bulk formula
of its own its networks are costed by building them on the meta device. With `plan` and `frame_cost`,
`tables.stack_costs(type(self), ...)` is such a formula. The modules here stay torch-free at import time
(`build` imports what it needs), so that plans and costs can be asked for without it.
"""

from __future__ import annotations

from popnas.networks.macros._base import MacroArchitecture
from popnas.registry import Registry

MACROS: Registry[type[MacroArchitecture]] = Registry(
    "macro-architecture", "popnas.networks.macros", "popnas.networks"
)

__all__ = ["MACROS", "MacroArchitecture", "of_cells"]


def of_cells() -> dict[str, type[MacroArchitecture]]:
    """By name those that a search may use: what they make depends on the cell."""
    return {name: macro for name, macro in MACROS.items() if macro.is_of_cells}
