"""`popnas journal`: what a run has done, as JSON lines; and the good part of a damaged journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.output import echo, print_json_line
from popnas.command_lines import as_typed
from popnas.printable import counted

if TYPE_CHECKING:
    from popnas.runs.repair import Repaired


@click.command("journal")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--content",
    "is_content",
    is_flag=True,
    help="Only the search content: what two equal runs share, in order of step and proposal.",
)
@click.option(
    "--repair",
    "is_repair",
    is_flag=True,
    help="Instead of printing: keep the lines before the first damaged one, and a copy of all beside them.",
)
def command(run: Path, is_content: bool, is_repair: bool) -> None:
    """Print the journal of a run as JSON lines.

    Two runs searched the same exactly if their --content is equal, byte for byte. Every line carries a
    checksum of its own and of the line before it; a journal that was changed is refused.
    """
    from popnas.runs import RunFolder, repair, search_content

    if is_repair:
        if is_content:
            raise click.UsageError("--repair prints no content: give one of the two.")
        for line in _repaired(repair(run), run):
            echo(line)
        return
    folder = RunFolder.open(run)
    journal = folder.journal
    if is_content:
        folder.state()  # for what a journal without checksums may say
        lines = search_content(journal.events())
    else:
        whole = journal.path.read_bytes()[: journal.end]
        lines = [line.decode() for line in whole.splitlines()]
    for line in lines:
        print_json_line(line)


def _repaired(done: Repaired, run: Path) -> Iterator[str]:
    if done.form is not None:
        yield f"The journal {done.form}: it is a file as popnas writes it now."
    if done.num_kept == done.num_lines:
        yield f"Nothing is damaged: {counted(done.num_kept, 'line')}, all kept."
    else:
        yield f"Kept: lines 1 to {done.num_kept}."
    if done.copy is not None:
        yield f"The journal as it was: {done.copy}"
        yield f"Go on with the search with: {as_typed('search', '-r', run)}"
