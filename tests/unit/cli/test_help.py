"""The help of every command, at widths from narrow to wide."""

from __future__ import annotations

import io
import re
import sys

import click
import pytest
from click.testing import CliRunner

from popnas.cli import main as room
from popnas.cli.terminal.help import dress
from popnas.cli.terminal.wrap import pieces


def commands_below(command, path=()):
    yield path
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            yield from commands_below(below, (*path, name))


COMMANDS = list(commands_below(room.cli))


@pytest.fixture
def help_at(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def show(path, width):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(sys, "stdout", Terminal())
        assert room.run([*path, "-h"]) == 0
        return sys.stdout.getvalue()

    return show


def words(text):
    """All pieces in their order; the columns of names and texts fall together in one stream."""
    return sorted(
        piece for line in re.sub(r"^Usage:\s+popnas", "", text).splitlines() for piece in pieces(line)
    )


@pytest.mark.parametrize("width", [36, 40, 80])
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_it_fits_and_breaks_nothing(help_at, path, width):
    shown = help_at(path, width)
    for line in shown.splitlines():
        assert len(line) <= width or len(pieces(line)) == 1 or line.lstrip().startswith("-"), line
        assert line == line.rstrip()
    assert words(shown) == words(help_at(path, 100))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_it_speaks_no_types_of_the_library(help_at, path):
    shown = help_at(path, 200)
    shown = shown.split("\n", 1)[1]  # "RUN..." in the usage means several
    assert not re.search(r"\b(INTEGER|FLOAT|TEXT|RANGE|DIRECTORY|UUID)\b|x[<>]|[<>]=?x|\.\.\.$", shown, re.M)
    assert max(map(len, shown.splitlines())) <= 100


def test_who_asks_first_decides_nothing():
    """click makes the option for help of the names that the first context has, and keeps it."""
    command = click.Command("one", help="Do one thing.")
    command.get_params(click.Context(command))
    group = click.Group("all", {"one": command})
    shown = [CliRunner().invoke(dress(group), ["one", name]) for name in ("-h", "--help")]
    assert [found.exit_code for found in shown] == [0, 0] and shown[0].output == shown[1].output
    assert shown[0].output.count("-h, --help") == 1


@pytest.mark.parametrize("path", COMMANDS[1:], ids=" ".join)
def test_a_command_by_itself_knows_both_names(path):
    command = room.cli
    for name in path:
        command = command.get_command(click.Context(command), name)
    assert command.params[-1].opts == ["-h", "--help"] and not command.add_help_option


def test_rules_for_numbers_are_words(help_at):
    assert "[at least 1]" in help_at(["train"], 80)
    assert "[above 0]" in help_at(["pick"], 80)
    assert "[0 to 65535]" in " ".join(help_at(["dataset", "segmentation"], 80).split())
