"""Texts on terminals: lines end between words; what is copied stays whole; elsewhere nothing is wrapped."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys

import pytest

from popnas.cli.terminal.output import echo, print_json, print_table
from popnas.cli.terminal.wrap import columns_of, pieces, wrap

CELL = "[(-2, 3x3 conv, -1, 3x3 conv);(0, identity, 0, identity)]"
COMMAND = "popnas train -p logs/a --spec '[(-2, 3x3 conv, -1, identity)]'"
TEXTS = [
    "What is finished is kept. Go on with: popnas search -r 'logs/my first run'",
    f"Error: the run has no such cell. `{COMMAND}` trains another one of the front, as the report says.",
    f"Better mean with other seeds: 0.1583 ± 0.0381, beyond seed noise: {CELL}",
    "Warning: /home/somebody/a/long/path/of/data/train.npz holds 3 examples of 'a class with spaces' only.",
    "  - an indented line that is far longer than the terminal on which it is to be read",
    "Klassen: 画像分類のための長い名前 und noch ein paar deutsche Wörter dahinter",
    f"train command: /somewhere/.venv/bin/python -m {COMMAND}",
]


@pytest.fixture
def terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def start(columns):
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(columns))
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, Terminal())

    return start


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("text", TEXTS)
def test_lines_end_between_pieces_and_nothing_is_lost(text, width):
    lines = wrap(text, width).split("\n")
    assert [piece for line in lines for piece in pieces(line)] == pieces(text)
    for line in lines:
        assert columns_of(line) <= width or len(pieces(line)) == 1, line
    assert wrap(text, None) == text


def test_what_is_copied_is_one_piece():
    assert pieces(TEXTS[0])[-1] == "popnas search -r 'logs/my first run'"
    assert f"`{COMMAND}`" in pieces(TEXTS[1])
    assert CELL in pieces(TEXTS[2])
    assert pieces(TEXTS[6])[-1] == f"/somewhere/.venv/bin/python -m {COMMAND}"
    train = f"popnas train -p logs/a -b 32 -n 1 --spec '{CELL}'"
    for gap in range(1, 9):  # as lines of a summary are aligned
        assert pieces(f"Train it:{' ' * gap}.venv/bin/{train}")[-1] == f".venv/bin/{train}"
    # Prose that names popnas, and what follows a command in brackets, may be broken.
    assert len(pieces("This is a mistake in popnas that others know, too.")) == 10
    assert pieces("(go on with: popnas search -r a): 14 networks")[-2:] == ["14", "networks"]


@pytest.mark.parametrize(
    "name",
    ["3x3 conv", "1x3-3x1 conv", "7:2dr conv", "3x3:2dr dconv", "2 maxpool", "2x2 avgpool", "8r SE",
     "3k-2h-1b cvt", "3k-2h scvt", "5 tconv", "3x3:4z zconv"],
)  # fmt: skip
def test_a_list_of_operators_is_broken_between_them(name):
    assert pieces(f"choices are identity, {name}, gru.") == [
        "choices",
        "are",
        "identity,",
        f"{name},",
        "gru.",
    ]


def test_every_family_of_operators_stays_whole():
    from popnas.operators import REGISTRY

    for _, family in REGISTRY.items():
        for example in family.examples:
            assert pieces(f"of {example}, or") == ["of", f"{example},", "or"]
        for form in family.grammar.split(" (")[0].split(", "):
            assert pieces(form) == [form]


@pytest.mark.parametrize("folder", ["my runs", "my runs/" + "a long name " * 9])
def test_a_path_on_a_line_of_its_own_stays_whole_and_can_be_typed(folder):
    from popnas.printable import quoted

    path = f"logs/{folder}/best_model/model.onnx"
    assert shlex.split(quoted(path)) == [path]
    assert quoted("logs/run/model.onnx") == "logs/run/model.onnx"
    lines = wrap(f"Model:      {quoted(path)}", 40).split("\n")
    assert lines[-1].strip() == f"'{path}'"


@pytest.mark.parametrize("is_error", [False, True])
def test_everything_that_is_said_is_wrapped_on_a_terminal_only(is_error, terminal, monkeypatch, capsys):
    terminal(40)
    echo(TEXTS[1], err=is_error)
    stream = sys.stderr if is_error else sys.stdout
    assert stream.getvalue() == wrap(TEXTS[1], 40) + "\n"
    monkeypatch.undo()
    echo(TEXTS[1], err=is_error)
    assert capsys.readouterr()[is_error] == TEXTS[1] + "\n"


@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_no_table_breaks_a_word_or_a_cell(width, terminal):
    terminal(width)
    print_table(["class", "validation examples", "best cell"], [["a", "28 (9.76%)", CELL], ["b", "3", "x"]])
    shown = re.sub(r"\x1b\[[0-9;]*m", "", sys.stdout.getvalue())
    assert CELL in shown
    assert "validation" in shown
    assert all(len(line) <= width or len(pieces(line)) == 1 for line in shown.splitlines())


def test_json_on_a_terminal_is_whole_and_harmless(terminal):
    terminal(20)
    value = {"class_names": ["\x1b[31m a name that is longer than the terminal", "\u202egod", "\x9b2J", "日"]}
    print_json(value)
    shown = sys.stdout.getvalue()
    assert json.loads(shown) == value
    assert not {"\x1b", "\u202e", "\x9b"} & set(shown)
    assert "日" in shown
