"""`popnas journal`: what a run has done, as JSON lines."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("journal")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--content",
    "is_content",
    is_flag=True,
    help="Only the search content: what two equal runs share, in order of step and proposal.",
)
def command(run: Path, is_content: bool) -> None:
    """Print the journal of a run as JSON lines.

    Two runs searched the same exactly if their --content is equal, byte for byte.
    """
    from popnas.runs import RunFolder, search_content

    events = RunFolder.open(run).journal.events()
    lines = search_content(events) if is_content else [event.line().decode().rstrip("\n") for event in events]
    for line in lines:
        click.echo(line)
