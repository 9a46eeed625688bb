"""Every block of the documentation is run, in order, as somebody would type it."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import click
import pytest

from popnas.cli import main

from . import made_data, surroundings
from .pages import Block, blocks, commands, name_of, pages

_SHELL = set("|><&;$`*(")
_WITH_BLOCKS = [path for path in pages() if blocks(path)]
_ONLY_IN_ALL = ("pyarrow", "ray", "flask_cors")
"""What blocks need that only `make test-all` installs (flask_cors is of MLflow's server)."""
_NOWHERE_HERE = {"libtpu"}
"""What no command here installs: a TPU's needs another PyTorch (`tests/integration/test_tpu.py` instead)."""


def _ids(path: Path) -> str:
    return name_of(path)


@pytest.fixture(autouse=True)
def page_folder(tmp_path, monkeypatch, quick_disk):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    return tmp_path


def _is_run(block: Block) -> bool:
    return not (block.needs and importlib.util.find_spec(block.needs) is None)


@pytest.mark.parametrize("path", _WITH_BLOCKS, ids=_ids)
def test_quick_blocks_of(path, page_folder, capfd):
    run = _run_page(path, page_folder, capfd, with_slow=False)
    assert run == [
        block for block in blocks(path) if _has_text(block) and not block.is_slow and _is_run(block)
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", [p for p in _WITH_BLOCKS if any(b.is_slow for b in blocks(p))], ids=_ids)
def test_all_blocks_of(path, page_folder, capfd):
    run = _run_page(path, page_folder, capfd, with_slow=True)
    assert run == [block for block in blocks(path) if _has_text(block) and _is_run(block)]


def _has_text(block: Block) -> bool:
    return block.language != "data"


def _run_page(path: Path, folder: Path, capfd: pytest.CaptureFixture[str], *, with_slow: bool) -> list[Block]:
    """The blocks that were run, or started and answered."""
    run: list[Block] = []
    names: dict[str, object] = {"__name__": "page", "SMALL": made_data.SMALL}
    with ExitStack() as ending, ExitStack() as listener:
        for block in blocks(path):
            if not _is_run(block):
                continue  # what it needs may be what its data are made with
            for wanted in block.data:
                _give(wanted, folder)
            if block.is_slow and not with_slow:
                _give(block.instead, folder)
            elif block.listens:
                listener.close()  # somebody would press Ctrl-C before typing on
                text = surroundings.as_run(block, folder)
                listener.enter_context(surroundings.listening(text, block.listens, folder))
                run.append(block)
            elif _has_text(block):
                _run_block(block, f"{name_of(path)}, line {block.line}", folder, capfd, names, ending)
                run.append(block)
    return run


def _run_block(
    block: Block,
    where: str,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    names: dict[str, object],
    ending: ExitStack,
) -> None:
    text = surroundings.as_run(block, folder)
    if block.language == "python":
        exec(compile(f"\n{text}", where, "exec"), names)
    else:
        place, environment = surroundings.place_of(block, folder, ending)
        status, shown = _typed(text, place, environment, capfd)
        assert status == (block.fails or 0), f"{where}: status {status}\n{shown}"
        assert " ".join(block.output.split()) in " ".join(shown.split()), f"{where}:\n{shown}"


def _give(wanted: str, folder: Path) -> None:
    if wanted.startswith("a run in "):
        place = wanted.removeprefix("a run in ")
        if made_data.is_of_digits(place):
            made_data.copied(made_data.run_on_digits(), folder / place)
        else:
            assert main.run(made_data.run_settings(place)) == 0, wanted
    elif wanted.startswith("a damaged run in "):
        made_data.copied(made_data.run_on_digits(), folder / wanted.removeprefix("a damaged run in "))
        made_data.damage(folder / wanted.removeprefix("a damaged run in "))
    elif wanted.startswith("a grown run in "):
        assert main.run(made_data.grown_settings(Path(wanted).name)) == 0, wanted
    elif wanted.startswith("a table in "):
        made_data.small_space(folder)
        name = Path(wanted).parent.name
        assert main.run(made_data.table_settings(name)) == 0, wanted
    elif wanted:
        made_data.MAKERS[wanted](folder)


def _typed(
    text: str, place: Path, environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Exit status and output of a block. Plain commands of popnas are called in this process, which saves the
    seconds in which torch is imported; whatever else is a shell's."""
    capfd.readouterr()
    lines = commands(text)
    is_plain = all(line.startswith("popnas ") and not _SHELL & set(_unquoted(line)) for line in lines)
    if not is_plain or place != Path.cwd():
        return surroundings.in_shell(text, place, environment)
    status = 0
    for line in lines:
        status = main.run(shlex.split(line, comments=True)[1:])
        if status:
            break
    shown = capfd.readouterr()
    return status, shown.out + shown.err


def _unquoted(line: str) -> str:
    """A line without what stands in quotes."""
    return "".join(part for index, part in enumerate(line.replace('"', "'").split("'")) if index % 2 == 0)


@pytest.mark.parametrize("path", _WITH_BLOCKS, ids=_ids)
def test_commands_and_options_exist_in(path):
    for block in blocks(path):
        if block.language == "python":
            compile(block.text, name_of(path), "exec")
        elif block.language != "data":
            for line in commands(block.text):
                words = shlex.split(line.partition(" #")[0])
                if words and Path(words[0]).name == "popnas":
                    _assert_exists(words[1:], f"{name_of(path)}, line {block.line}: {line}")


def _assert_exists(words: list[str], where: str) -> None:
    command: click.Command = main.cli
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, f"{where}: no command {rest[0]}"
        command, rest = found, rest[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    known |= {"-h", "--help", "--version"}
    # An option's value may begin with a minus, too ("-1"): only words that look like options are looked up.
    given = [word.partition("=")[0] for word in rest if word.startswith("-") and not word[1:2].isdigit()]
    assert [word for word in given if word not in known] == [], where


def test_the_check_sees_what_does_not_exist():
    _assert_exists(["config", "check", "-j", "run"], "here")
    with pytest.raises(AssertionError, match="no command serch"):
        _assert_exists(["serch"], "here")
    with pytest.raises(AssertionError, match="here"):
        _assert_exists(["search", "--nmae", "first"], "here")


def count_blocks() -> Counter[str]:
    """Blocks by when they are run: in `make test`, or in `make test-all` alone, since they are slow or need
    what `make test` does not install. `python -m tests.documents.test_blocks` prints it.
    """
    return Counter(
        "make test-all alone" if block.is_slow or block.needs in _ONLY_IN_ALL else "make test"
        for path in pages()
        for block in blocks(path)
        if _has_text(block)
    )


def test_every_block_is_run_and_most_always():
    """The tests above see that those that are counted are run; a comment that a page has and nobody knows is
    refused by `blocks`.
    """
    counted = count_blocks()
    assert counted["make test"] >= 30
    assert counted["make test-all alone"] >= 30
    assert set(counted) == {"make test", "make test-all alone"}


def test_no_block_is_left_out_for_what_make_test_installs():
    needed = {block.needs for path in pages() for block in blocks(path)} - {""}
    assert set(_ONLY_IN_ALL) <= needed
    known = set(_ONLY_IN_ALL) | _NOWHERE_HERE
    assert [name for name in needed - known if importlib.util.find_spec(name) is None] == []
    hidden = [block for path in pages() for block in blocks(path) if block.needs in _NOWHERE_HERE]
    assert [block.is_slow for block in hidden] == [True]


def test_no_block_has_another_language():
    """`blocks` sees those of a shell and of Python; the others are shown."""
    shown = {"text", "{toctree}", "{eval-rst}", "{include}", "{literalinclude}"}
    for path in pages():
        languages = re.findall(r"^`{3,}(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(languages) <= shown | {"sh", "bash", "python"}, name_of(path)


if __name__ == "__main__":
    print(*(f"{number} in {when}" for when, number in sorted(count_blocks().items())), sep="\n")  # noqa: T201
