"""The evaluator that looks figures up in a table of cells, instead of training networks.

`stored` is such a table and its file; `evaluator` is what the driver sees;
`lookup` answers for one candidate. None imports torch: a search over a table takes seconds.
"""

from popnas.evaluators.table.evaluator import TableEvaluator
from popnas.evaluators.table.stored import CellTable

__all__ = ["CellTable", "TableEvaluator"]
