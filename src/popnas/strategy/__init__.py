"""The progressive search as "propose cells, record evaluations": selection, exploration, PNAS mode.

Pure: no torch, no disk, no clock, no randomness but by the seed in the settings; predictions are handed in,
so the same input gives the same proposals everywhere. May import `popnas.cells`, `popnas.objectives`,
`popnas.pareto` and the ground floor. `repeating` says which cells are trained again at the end, and which one
wins. Another rule of selection goes into a file of its own beside `selection.py`; an objective of yours is an
`objectives.Objective` handed in with the settings.
"""

from popnas.strategy.rounding import round_significant
from popnas.strategy.search import ProgressiveSearch, Proposal
from popnas.strategy.selection import Selection, select, taken
from popnas.strategy.settings import StrategySettings

__all__ = [
    "ProgressiveSearch",
    "Proposal",
    "Selection",
    "StrategySettings",
    "round_significant",
    "select",
    "taken",
]
