"""`popnas bench show`: what a table of cells holds, and what its figures are worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.output import echo, print_json

if TYPE_CHECKING:
    from popnas.evaluators.table.stored import CellTable
    from popnas.workflows.tables.noise import Worth


@click.command("show")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--metric", metavar="NAME", help="The metric to look at.  [default: the first of the table]")
@click.option(
    "--json", "is_json", is_flag=True, help="Print one JSON object, with where the table comes from."
)
def show(table: Path, metric: str | None, is_json: bool) -> None:
    """Show what a table holds: cells, fidelities, how far scores are apart, how far seeds agree.

    With --json also where it comes from: configuration, command, versions, processor.
    """
    from popnas.evaluators.table import stored
    from popnas.workflows.tables import noise

    found = stored.read(table)
    worth = noise.worth(found, metric)
    if is_json:
        print_json({**worth.to_json(), "sha256": found.sha256, "about": found.provenance})
    else:
        echo(_as_text(found, worth))


def _as_text(table: CellTable, worth: Worth) -> str:
    cells = [
        f"{held:,} of {size:,} of {blocks} block{'s' * (blocks != 1)}"
        for blocks, (held, size) in enumerate(zip(worth.cells, worth.space_sizes, strict=True))
    ]
    trainings = int(table.repetitions.sum())
    lines = [
        f"Cells:      {', '.join(cells)}",
        f"Operators:  {', '.join(table.operators.tolist())}; lookback depth {int(table.lookback_depth)}",
        f"Trainings:  {trainings:,} ({worth.failed:,} failed), {worth.repeated:,} cells with all "
        f"{int(table.repetitions.max())} seeds",
        f"Metrics:    {', '.join(table.metric_names.tolist())}; below: {worth.metric} of the first trainings",
        "",
        f"{'epochs':>6}  {'lowest':>7} {'median':>7} {'highest':>7} {'spread':>7} {'noise':>7}  "
        f"{'seeds':>6} {'last':>6}  {'seconds':>8}",
    ]
    for row in worth.fidelities:
        figures = (row.lowest, row.median, row.highest, row.spread, row.noise)
        shown = " ".join("      -" if value is None else f"{value:7.4f}" for value in figures)
        ranks = " ".join(
            "     -" if value is None else f"{value:6.3f}" for value in (row.between_seeds, row.with_last)
        )
        lines.append(f"{row.epochs:>6}  {shown}  {ranks}  {row.training_seconds:8.3f}")
    lines += [
        "",
        "noise: between trainings of one cell; seeds, last: rank correlation between seeds, and with the "
        "last fidelity; seconds: median of a training so far",
    ]
    return "\n".join(lines)
