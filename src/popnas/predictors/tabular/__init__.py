"""Predictors that learn from tables: a row of numbers per cell.

`trees` predicts the score from what a cell's graph holds (`graph_counts`, the same for equivalent cells) with
`boosted_trees`; `sums` takes a time for a sum over what is built. `linear` and `boosters` are those of the
papers, from the features of docs/search.md: of the score for each position in the canonical form, with
`equivalents` to learn from, too; of times the nine.
Adding one: a file with a `TablePredictor`, and its name below.
"""

from popnas.predictors.tabular import boosters, linear, sums, trees
from popnas.predictors.tabular._tables import Explained

__all__ = ["Explained", "boosters", "linear", "sums", "trees"]
