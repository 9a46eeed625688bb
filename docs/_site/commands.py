"""The reference of the command line, as Markdown, from the commands that `popnas COMMAND -h` explains."""

from __future__ import annotations

from collections.abc import Iterator

import click

from popnas.cli.main import cli

_WIDTH = 92


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """(name as typed, command, context) of every command that does something, groups left out."""
    yield from _below("popnas", cli, click.Context(cli, info_name="popnas"))


def _below(
    name: str, group: click.Group, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None, word
        inner = command.context_class(
            command, info_name=word, parent=context, terminal_width=_WIDTH, max_content_width=_WIDTH
        )
        if isinstance(command, click.Group):
            yield from _below(f"{name} {word}", command, inner)
        elif not command.hidden:
            yield f"{name} {word}", command, inner


def markdown() -> str:
    """What `-h` prints, a heading per command."""
    parts = []
    for name, command, context in commands():
        parts += [f"## {name}", "", "```none", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(parts)
