"""What a run found, to look at: plots, the self-contained HTML report, cell drawings, a comparison of runs.

Everything here is derived from a run's folder and state and can be written again at any time. `run_data`
gathers what figures read; `figures` holds one file per figure, with its `compute(run)` apart from
its `paint(info) -> Figure`; `canvas` is the look that they share; `drawing` lays a cell out once and draws
it as SVG, PDF, PNG or DOT; `pages` are whole HTML files, that of a run put together from `sections`;
`slides` are a run for a talk; `pictures` makes arrays visible.

May not be imported here: torch (not even indirectly), workflows, cli. To add a figure put a file into
`figures`; to add a part of the page, a function into `sections`.
"""

from popnas.report.pages.comparison import compare
from popnas.report.writing import write, write_pdf

__all__ = ["compare", "write", "write_pdf"]
