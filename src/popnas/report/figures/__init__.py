"""The figures of a run, one file each.

A file declares a `Plot` in `FIGURES`: `compute(run) -> data | None` gathers numbers into a frozen dataclass
(None: does not apply to this run) and `paint(data) -> Figure` draws them, knowing nothing else; `table(data)`
gives them for the CSV file beside the figure. To add a figure put a file here; the report, `plots/` and the
contract test pick it up by themselves.
"""

from popnas.registry import Registry
from popnas.report.figures._base import Plot
from popnas.report.tables import Table

FIGURES: Registry[Plot] = Registry("figure", "popnas.report.figures", "popnas.figures", is_of_views=True)


def ordered() -> list[tuple[str, Plot]]:
    """All figures, (name, plot), in the order of the report."""
    return sorted(FIGURES.items(), key=lambda item: (item[1].order, item[0]))


__all__ = ["FIGURES", "Plot", "Table", "ordered"]
