"""What messages and documents tell the user to do exists: extras, commands and their options."""

import ast
import importlib
import re
from importlib import metadata
from pathlib import Path

import click
import pytest

from popnas.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "popnas").rglob("*.py"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_CALL = re.compile(rf"popnas ((?:{'|'.join(COMMANDS)})\b[^`\n()<,;]*)")
_EXTRA = re.compile(r"popnas\[([a-z,]+)\]")


def texts(path):
    """The strings of a module, what is put into them as VALUE."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "VALUE" for part in node.values)


ALL = [(path, text) for path in SOURCES for text in texts(path)]
ALL += [(path, path.read_text()) for path in DOCUMENTS]


def test_every_extra_that_is_named_exists():
    have = set(metadata.metadata("popnas").get_all("Provides-Extra"))
    named = {name for _, text in ALL for found in _EXTRA.findall(text) for name in found.split(",")}
    named |= set(re.findall(r'MissingExtraError\([^)]*?"([a-z]+)", "', "".join(map(Path.read_text, SOURCES))))
    assert {"notebook", "timeseries", "hub"} <= named | have
    assert named <= have


def calls():
    return sorted({(found.strip(), path.name) for path, text in ALL for found in _CALL.findall(text)})


@pytest.mark.parametrize(("call", "where"), calls())
def test_every_command_that_is_named_takes_the_options_that_are_named(call, where):
    name, *words = call.split()
    command = importlib.import_module(f"popnas.cli.{COMMANDS[name][0]}").command
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    known = {"-h", "--help"} | {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    given = {
        word.split("=")[0].rstrip(".,;:") for word in words if re.fullmatch(r"--?[a-z][\w=.,;:-]*", word)
    }
    assert given <= known, f"{where}: popnas {call}"
