"""Bits that flip in a run's folder, through the real commands: noticed with their place, or without effect.

The journal is that of a small search by popnas 0.1.0, written anew with checksums; a second one is as 0.1.0
left it, without.
"""

import errno
import json
import os
import random
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from popnas.cli.main import cli
from popnas.errors import PopnasError
from popnas.runs import RunFolder, told
from popnas.runs.journal import scan

OLD = Path(__file__).parents[2] / "data" / "journal_0.1.0"
COMMANDS = (["journal", "--content"], ["pick", "--json"])


@pytest.fixture
def run(tmp_path):
    """The run with checksums."""
    config = json.loads((OLD / "run.json").read_text())
    events = scan((OLD / "journal.jsonl").read_bytes(), OLD).events
    folder = RunFolder.create(tmp_path / "run", config, volatile=events[0].volatile)
    with folder.journal as journal:
        for event in events[1:]:
            journal.append(event.event, event.content, event.volatile)
    return folder


@pytest.fixture
def old_run(tmp_path):
    shutil.copytree(OLD, tmp_path / "old" / "restore")
    return RunFolder(tmp_path / "old")


def answer(command, folder, capsys):
    """Exit status, standard output and what was told, warnings among it."""
    told._TOLD.clear()
    name, *options = command
    result = CliRunner().invoke(cli, [name, str(folder.path), *options])
    if isinstance(result.exception, PopnasError):
        return result.exception.exit_status, result.stdout, f"{result.stderr}{result.exception}"
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr + capsys.readouterr().err


def flip(path, position, bit):
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def flips(path, count, seed):
    """Seeded places of a file: position and bit."""
    rng = random.Random(seed)
    size = path.stat().st_size
    return [(rng.randrange(size), rng.randrange(8)) for _ in range(count)]


def expected(folder, capsys, caplog):
    return {tuple(command): answer(command, folder, capsys)[:2] for command in COMMANDS}


def check_flips(folder, path, places, capsys, caplog):
    """How many of the flips were refused, told of, or had no effect."""
    sound, before = path.read_bytes(), expected(folder, capsys, caplog)
    config = RunFolder.open(folder.path).config_json()
    starts = [index for index, byte in enumerate(sound) if byte == 10]
    counts = {"refused": 0, "told": 0, "no effect": 0}
    for number, (position, bit) in enumerate(places):
        flip(path, position, bit)
        caplog.clear()
        command = COMMANDS[number % len(COMMANDS)]
        status, output, words = answer(command, folder, capsys)
        words += caplog.text
        if status != 0:
            assert status == 2, (position, bit, words)
            assert path.name in words or str(path.parent.parent) in words, (position, bit, words)
            if path.suffix == ".jsonl":
                line = 1 + sum(index < position for index in starts)
                assert f"line {line} " in words or f"line {line}:" in words or line == 1, (
                    position,
                    bit,
                    words,
                )
            counts["refused"] += 1
        else:
            assert output == before[tuple(command)][1], (position, bit)
            is_same = RunFolder.open(folder.path).config_json() == config
            assert is_same or path.name in words, (position, bit, words)
            counts["told" if path.name in words else "no effect"] += 1
        path.write_bytes(sound)
    return counts


@pytest.mark.parametrize(
    ("count", "seed"), [(150, 0), pytest.param(3000, 1, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_a_flipped_bit_of_the_journal_is_refused_with_its_line(
    run, count, seed, capsys, caplog, record_property
):
    found = check_flips(run, run.journal_path, flips(run.journal_path, count, seed), capsys, caplog)
    record_property("flips", found)
    assert found["refused"] >= count - 3  # the last newline may be another byte


@pytest.mark.parametrize(
    ("count", "seed"), [(60, 0), pytest.param(3000, 1, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_a_flipped_bit_of_the_configuration_is_noticed(run, count, seed, capsys, caplog, record_property):
    found = check_flips(run, run.run_json, flips(run.run_json, count, seed), capsys, caplog)
    record_property("flips", found)
    assert found["refused"] + found["told"] > count / 2


@pytest.mark.parametrize(
    ("count", "seed"), [(60, 0), pytest.param(3000, 1, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_a_flipped_bit_of_an_old_journal_never_ends_in_a_traceback(old_run, count, seed, capsys, caplog):
    """Its values have no proof: they are checked by type and range, and every command says that."""
    path = old_run.journal_path
    sound = path.read_bytes()
    for number, (position, bit) in enumerate(flips(path, count, seed)):
        flip(path, position, bit)
        caplog.clear()
        status, _, words = answer(COMMANDS[number % len(COMMANDS)], old_run, capsys)
        assert status in (0, 2), (position, bit, words)
        assert status == 2 or "no checksums" in words + caplog.text, (position, bit)
        path.write_bytes(sound)


def test_the_good_part_is_kept_and_the_whole_stays_beside_it(run, capsys):
    sound = run.journal_path.read_bytes()
    lines = sound.splitlines(keepends=True)
    flip(run.journal_path, len(b"".join(lines[:20])) + 50, 0)
    damaged = run.journal_path.read_bytes()
    status, _, words = answer(["journal"], run, capsys)
    assert status == 2
    assert "line 21 was changed: it does not have its checksum" in words or "line 21 is not a whole" in words
    assert f"keep lines 1 to 20 with: popnas journal {run.path} --repair" in words
    status, output, _ = answer(["journal", "--repair"], run, capsys)
    assert status == 0
    assert "Kept: lines 1 to 20" in output
    assert run.journal_path.read_bytes() == b"".join(lines[:20])
    assert run.journal_path.with_name("journal.damaged-1.jsonl").read_bytes() == damaged
    assert answer(["journal", "--content"], run, capsys)[0] == 0
    status, output, _ = answer(["journal", "--repair"], run, capsys)
    assert (status, output) == (0, "Nothing is damaged: 20 lines, all kept.\n")


def test_a_first_line_that_is_damaged_leaves_nothing_to_keep(run, capsys):
    flip(run.journal_path, 30, 0)
    before = run.journal_path.read_bytes()
    status, _, words = answer(["journal", "--repair"], run, capsys)
    assert status == 2
    assert "or start a new run" in words
    assert run.journal_path.read_bytes() == before


def test_missing_last_lines_and_half_a_line_are_told(run, capsys, caplog):
    lines = run.journal_path.read_bytes().splitlines(keepends=True)
    run.journal_path.write_bytes(b"".join(lines[:-2]))
    assert answer(["journal"], run, capsys)[0] == 0
    assert f"ends with line {len(lines) - 2}, but {len(lines)} lines were written" in caplog.text
    caplog.clear()
    run.journal_path.write_bytes(b"".join(lines)[:-20])
    assert answer(["journal"], run, capsys)[0] == 0
    assert f"line {len(lines)} is only half written" in caplog.text


@pytest.mark.parametrize("options", [[], ["--content"], ["--repair"]])
def test_a_journal_that_is_no_file_is_told_as_what_it_is(run, capsys, options):
    run.journal_path.unlink()
    run.journal_path.mkdir()
    status, _, words = answer(["journal", *options], run, capsys)
    assert status == 2
    assert f"cannot read the journal {run.journal_path}: it is a folder, not a file. Put back a copy" in words


FORMS = {
    "utf-8-sig": "begins with a byte order mark",
    "utf-16": "is UTF-16 text",
    "utf-16-be": "is UTF-16 text",
    "crlf": "has line ends of Windows (CR LF)",
    "utf-16 crlf": "is UTF-16 text and has line ends of Windows (CR LF)",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_journal_in_another_form_is_named_and_written_again_as_it_was(run, capsys, form):
    """As editors and shells of Windows leave it."""
    sound, before = run.journal_path.read_bytes(), answer(["journal", "--content"], run, capsys)
    text = sound.decode().replace("\n", "\r\n") if form.endswith("crlf") else sound.decode()
    run.journal_path.write_bytes(text.encode(form.removesuffix("crlf").strip() or "utf-8"))
    status, _, words = answer(["journal", "--content"], run, capsys)
    assert status == 2
    assert f"{run.journal_path} {FORMS[form]}, as an editor" in words
    assert f"with: popnas journal {run.path} --repair" in words
    status, output, _ = answer(["journal", "--repair"], run, capsys)
    assert status == 0
    assert output.startswith(f"The journal {FORMS[form]}: it is a file as popnas writes it now.\nNothing is")
    assert run.journal_path.read_bytes() == sound
    assert answer(["journal", "--content"], run, capsys) == before


def test_a_journal_that_is_a_link_is_never_written_through(run, tmp_path, capsys):
    elsewhere, sound = tmp_path / "elsewhere.jsonl", run.journal_path.read_bytes()
    run.journal_path.rename(elsewhere)
    run.journal_path.symlink_to(elsewhere)
    status, _, words = answer(["journal"], run, capsys)
    assert status == 2
    assert f"{run.journal_path} is a link to {elsewhere}" in words
    assert f"with: popnas journal {run.path} --repair" in words
    with pytest.raises(PopnasError, match="is a link"):
        run.journal.append("step_finished", {"step": 0})
    assert answer(["journal", "--repair"], run, capsys)[0] == 0
    assert not run.journal_path.is_symlink()
    run.journal.append("step_finished", {"step": 0})
    assert elsewhere.read_bytes() == sound


def test_a_journal_that_may_not_be_read_is_told(run, capsys, monkeypatch):
    """Root reads whatever the mode is: the system refuses here."""
    opened = os.open

    def refuse(path, *arguments, **keywords):
        if str(path) == str(run.journal_path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", refuse)
    status, _, words = answer(["journal"], run, capsys)
    assert status == 2
    assert "permission denied. Put back a copy of the file, or make it readable for this user" in words
