"""The progressive search as "propose cells, record evaluations": selection, exploration, PNAS mode.

Pure: no torch, no disk, no clock, no randomness; predictions and the names of the objectives are handed in,
so the same input gives the same proposals everywhere. May import `popnas.cells`, `popnas.pareto` and the
foundation. Another rule of selection goes into a file of its own beside `selection.py`; an objective of yours
is an `Objective` handed in with the settings.
"""

from popnas.strategy.objectives import OBJECTIVES, Objective, round_significant
from popnas.strategy.search import ProgressiveSearch, Proposal
from popnas.strategy.selection import Selection, select
from popnas.strategy.settings import StrategySettings

__all__ = [
    "OBJECTIVES",
    "Objective",
    "ProgressiveSearch",
    "Proposal",
    "Selection",
    "StrategySettings",
    "round_significant",
    "select",
]
