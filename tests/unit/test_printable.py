"""Names from outside (classes, files, runs) reach no terminal, page, table or drawing as commands to it."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess

import pytest

from popnas.cli.terminal.output import echo_events, shown
from popnas.events import Warned
from popnas.printable import (
    one_line,
    printable,
    printable_json,
    quoted,
    shortened,
    told_apart,
    without_secrets,
)
from popnas.report import canvas, markup
from popnas.storage import write_table

HARMFUL = ["\x1b[2J", "\x07", "\r", "\x9b31m", "\u202e", "\u2066", "\u200f", "\u2028", "\ud800", "\x7f"]
NAME = "cat" + "".join(HARMFUL) + "日本 é"


def written_table(folder):
    write_table(folder / "table.csv", ["true class", NAME], [[NAME, 0.5]])
    text = (folder / "table.csv").read_text()
    assert list(csv.reader(text.splitlines()))[1][1] == "0.5"
    return text


@pytest.mark.parametrize(
    "written",
    [
        lambda folder: shown(NAME, None),
        lambda folder: printable_json(json.dumps(NAME, ensure_ascii=False)),
        lambda folder: markup.code(NAME),
        written_table,
        lambda folder: canvas.label(NAME, 100),
    ],
    ids=["terminal", "json", "page", "csv", "figure"],
)
def test_no_view_carries_out_what_a_name_says(written, tmp_path):
    text = written(tmp_path)
    assert [harm for harm in HARMFUL if harm[0] in text] == []
    assert "cat" in text
    assert "日本 é" in text


def test_escaped_json_says_the_same():
    assert json.loads(printable_json(json.dumps(NAME, ensure_ascii=False))) == NAME
    assert printable("two\nlines\tand a tab") == "two\nlines\tand a tab"


@pytest.mark.parametrize("name", ["a\nError: disk broken", "a\r\nb", "a\tb", "a\x1b[2Kb\n"])
def test_a_warning_is_one_line_whatever_names_are_in_it(name, capsys):
    echo_events(Warned(f"The class '{name}' has few examples."))
    shown = capsys.readouterr().err
    assert (
        shown.count("\n") == 1 and shown.startswith("Warning: The class 'a") and shown.endswith("examples.\n")
    )
    assert one_line(name).isprintable()


@pytest.mark.parametrize(
    "path",
    [
        "a/b-1_c.npz",
        "my run",
        "it's",
        'a "b"',
        "a$b;c",
        "é",
        "a\nb",
        "a\tb",
        "\x1b[2J'\\",
        "\u202e",
        "\udcff",
        "",
    ],
)
def test_a_path_is_one_word_for_people_and_for_a_shell(path):
    word = quoted(path)
    assert one_line(word) == word
    read = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout
    assert read == os.fsencode(path)


def test_a_plain_path_is_as_it_is():
    assert quoted("logs/run_1/best-model.onnx") == "logs/run_1/best-model.onnx"


def test_a_class_of_thousands_of_characters_takes_no_more_than_a_line():
    name = "c" * 5000
    assert len(shortened(name)) == 60
    (shown,) = markup.names([name])
    assert name in shown.split(">")[0] and name not in shown.split(">")[1]
    assert markup.names(["<cat>"]) == ["&lt;cat&gt;"]


SHARED = "class of a long common beginning " * 3
ALIKE = [
    f"{SHARED}one",
    f"{SHARED}two",
    f"{SHARED}one{SHARED}",
    f"{SHARED}two{SHARED}",
    "a\nb",
    "a\\nb",
    "short",
]


@pytest.mark.parametrize("apart", [told_apart, canvas.labels, markup.names])
def test_different_names_never_look_alike_and_equal_ones_do(apart):
    shown = apart([*ALIKE, *ALIKE])
    looks = [re.sub("<[^>]*>", "", look) for look in shown]
    assert len(set(looks)) == len(ALIKE)
    assert looks[: len(ALIKE)] == looks[len(ALIKE) :]
    assert looks[len(ALIKE) - 1] == "short"
    assert max(map(len, looks)) <= 64


def test_names_that_end_differently_bear_no_number():
    assert [look[-3:] for look in told_apart(ALIKE[:2])] == ["one", "two"]


SECRET = "s3cr-et/Value"


@pytest.mark.parametrize(
    "name",
    ["NEPTUNE_API_TOKEN", "POPNAS_WEBHOOK_SECRET", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "ssh_passphrase"],
)
@pytest.mark.parametrize("form", ["it is {}", "{{'a': {!r}}}", "a{}b"])
def test_values_of_secret_variables_are_stars(name, form, monkeypatch):
    monkeypatch.setenv(name, SECRET)
    text = without_secrets(form.format(SECRET))
    assert SECRET not in text and "***" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST https://me:s3cret@host:80/a failed", "POST https://***@host:80/a failed"),
        ("https://host/a?x=1&api_key=s3cret&y=2", "https://host/a?x=1&api_key=***&y=2"),
        ("https://host/a?token=s3cret", "https://host/a?token=***"),
        ("https://hooks.chat.com/services/T0/B0/s3cret: 404", "https://hooks.chat.com/*** 404"),
        ("https://chat.com/api/webhooks/17/s3cret", "https://chat.com/api/webhooks/***"),
        ("https://me:s3cret@hooks.chat.com/services/s3cret", "https://***@hooks.chat.com/***"),
        ("Authorization: Bearer s3cret.s3cret", "Authorization: Bearer ***"),
    ],
)
def test_what_lets_somebody_in_is_stars(text, shown):
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text", ["logs/first/debug.log", "https://host/a?steps=3#part", "the bearer came", "KEY=3", ""]
)
def test_what_is_no_secret_stays(text):
    assert without_secrets(text) == text


def test_short_values_stay(monkeypatch):
    monkeypatch.setenv("USES_KEY", "1")
    assert without_secrets("1 of 12") == "1 of 12"
