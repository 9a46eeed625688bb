"""`popnas journal`: what a run has done, as JSON lines; and the good part of a damaged journal."""

from __future__ import annotations

from pathlib import Path

import click

from popnas.cli.terminal.output import echo, print_json_line
from popnas.command_lines import as_typed


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
        done = repair(run)
        echo(
            f"Nothing is damaged: all {done.num_kept} lines are kept."
            if done.copy is None
            else f"Kept: lines 1 to {done.num_kept}. The journal as it was: {done.copy}\n"
            f"Go on with the search with: {as_typed('search', '-r', run)}"
        )
        return
    folder = RunFolder.open(run)
    journal = folder.journal
    if is_content:
        folder.state()  # for what a journal without checksums may say
        lines = search_content(journal.events())
    else:
        lines = [line.decode() for line in journal.path.read_bytes()[: journal.scan().end].splitlines()]
    for line in lines:
        print_json_line(line)
