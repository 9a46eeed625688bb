"""How many candidates a GPU trains at once: `trying` says how many, by what `counting` counts in workers.

Nothing but the evaluator, which asks once per search, knows of it.
"""

from popnas.evaluators.training.packing.trying import Packing, applies, found

__all__ = ["Packing", "applies", "found"]
