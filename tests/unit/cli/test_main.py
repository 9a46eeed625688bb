"""The entry point: start-up time, help, exit statuses and what errors look like."""

import ast
import io
import json
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click
import pytest

import popnas
from popnas.cli import main as room
from popnas.cli.terminal.ending import Stopped
from popnas.errors import CandidateFailed, DataError, PopnasError

CELL = "[(-1, identity, -1, identity)]"

HEAVY = {"torch", "sklearn", "scipy", "moocore", "matplotlib", "numpy", "pydantic", "rich", "onnx"}


def in_new_process(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("code", ["import popnas", "import popnas.cli.main as m; m.run(['--help'])"])
def test_nothing_heavy_is_imported(code):
    loaded = in_new_process(f"import sys; {code}; print(); print(*sys.modules)").splitlines()[-1].split()
    assert HEAVY & set(loaded) == set()


@pytest.mark.parametrize("code", ["import popnas", "import popnas.cli.main as m; m.run(['--help'])"])
def test_start_takes_less_than_half_a_second(code):
    timed = f"import time; s = time.process_time(); {code}; print(); print(time.process_time() - s)"
    assert min(float(in_new_process(timed).split()[-1]) for _ in range(3)) < 0.5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("search -j nothere.json", "neither a file nor a preset"),
        ("search --name taken", "logs/taken exists already"),
        ("search --name a/b", "cannot be a run's folder"),
        ("search -r nothere", "does not exist"),
        ("e2e -j nothere.json", "neither a file nor a preset"),
        ("e2e -r nothere", "does not exist"),
        ("select -p nothere", "does not exist"),
        ("train -p nothere", "does not exist"),
        ("evaluate -p nothere", "does not exist"),
        ("export -p nothere", "does not exist"),
        ("plan -j nothere.json", "neither a file nor a preset"),
        ("config check -j nothere.json", "neither a file nor a preset"),
    ],
)
def test_what_is_not_there_or_taken_is_told_without_loading_torch_or_data(arguments, words, tmp_path):
    (tmp_path / "logs" / "taken").mkdir(parents=True)
    (tmp_path / "logs" / "taken" / "mine.txt").touch()
    code = "import popnas.cli.main as m, sys; s = m.run(sys.argv[1:]); print(s, *sys.modules)"
    command = [sys.executable, "-c", code, *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    status, *loaded = done.stdout.split()
    assert status == "2" and words in " ".join(done.stderr.split())
    assert {"torch", "sklearn"} & set(loaded) == set()
    assert "Warning" not in done.stderr


def test_help_names_every_command(capsys):
    assert room.run(["-h"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in room.COMMANDS if f"\n  {name} " not in shown] == []
    assert room.run(["--help"]) == 0
    assert capsys.readouterr().out == shown


def test_help_needs_no_command_to_exist(capsys, monkeypatch):
    monkeypatch.setitem(room.COMMANDS, "future", ("there_is_none", "Something that comes later."))
    assert room.run(["--help"]) == 0
    assert "Something that comes later." in capsys.readouterr().out


def named_in(line):
    """The commands in a text."""
    return re.findall(r"popnas ([a-z]\w*)", line)


@pytest.mark.parametrize("name", room.COMMANDS)
def test_every_command_resolves_and_has_help(name, capsys):
    assert room.run([name, "-h"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: popnas {name} ")


def test_version(capsys):
    assert room.run(["--version"]) == 0
    assert capsys.readouterr().out == f"popnas {metadata.version('popnas')}\n"


def test_an_unknown_command_gets_the_nearest(capsys):
    assert room.run(["serch"]) == 2
    assert "Error: no command 'serch'. Did you mean 'search'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("predict", "Error: no command 'predict'. A model predicts from Python: popnas.load(\"logs/NAME\")"),
        ("resume", "A search goes on with `popnas search -r logs/NAME`, a whole job with `popnas e2e -r"),
        ("nope", f"Error: no command 'nope'. The commands are: {', '.join(room.COMMANDS)}."),
    ],
)
def test_a_word_that_is_no_command_is_told_what_to_type(capsys, word, shown):
    assert room.run([word]) == 2
    assert shown in capsys.readouterr().err


@pytest.mark.parametrize("command", [word for line in room.ELSEWHERE.values() for word in named_in(line)])
def test_what_is_told_of_words_that_are_no_commands_can_be_typed(command):
    assert command in room.COMMANDS


def test_no_word_that_is_told_about_is_a_command():
    assert not set(room.ELSEWHERE) & set(room.COMMANDS)


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        (["--hours", "2"], "with its time limit if it has one; leave out --hours, or start"),
        (["-k", "2", "--set", "others.seed=1"], "leave out -k and --set, or start a new job without -r."),
    ],
)
def test_a_job_that_goes_on_names_the_options_it_does_not_take(capsys, given, left_out):
    assert room.run(["e2e", "-r", "logs/whole", *given]) == 2
    assert left_out in capsys.readouterr().err


@pytest.mark.parametrize("preset", ["model_selection_images", "last_training_images"])
def test_the_help_of_a_whole_job_has_the_presets_of_its_later_stages(capsys, preset):
    assert room.run(["e2e", "-h"]) == 0
    assert preset in capsys.readouterr().out


def test_an_unknown_option_is_a_mistake_of_the_users(capsys):
    assert room.run(["doctor", "--jsn"]) == 2
    assert "--json" in capsys.readouterr().err


def raising(monkeypatch, error):
    @click.command()
    def command():
        raise error

    monkeypatch.setattr(room.LazyGroup, "get_command", lambda *_: command)
    return room.run(["doctor"])


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        (DataError("no data in x."), 2, "Error: no data in x.\n"),
        (PopnasError("the disk is gone."), 1, "Error: the disk is gone.\n"),
        (CandidateFailed("nan", "the loss is NaN."), 1, "Error: the loss is NaN.\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (click.exceptions.Exit(2), 2, ""),
    ],
)
def test_exit_statuses(error, status, shown, monkeypatch, capsys):
    assert raising(monkeypatch, error) == status
    assert capsys.readouterr().err.lstrip("\n") == shown


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        ImportError("libx.so: failed to map segment from shared object"),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_there_is_no_more_of_is_no_mistake_of_ours(error, monkeypatch, capsys):
    behind = ValueError("what came of it")
    behind.__cause__ = error
    for raised in (error, behind):
        assert raising(monkeypatch, raised) == 1
        shown = capsys.readouterr().err
        assert "no more memory or threads" in shown and "ulimit" in shown
        assert "Traceback" not in shown and "mistake in popnas" not in shown


def test_a_mistake_of_ours_shows_where_and_how_to_report_it(monkeypatch, capsys):
    assert raising(monkeypatch, ZeroDivisionError("ours")) == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "ZeroDivisionError: ours" in shown
    assert shown.endswith("`popnas doctor` prints.\n")


def test_a_reader_that_leaves_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "popnas", "config", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert errors == b""


def test_python_dash_m_is_the_same_command_line():
    shown = subprocess.run(
        [sys.executable, "-m", "popnas", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"popnas {metadata.version('popnas')}\n"


def test_tables_are_plain_where_nobody_looks(capsys):
    assert room.run(["list", "objectives"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "direction", "unit", "origin", "description"]
    assert not any("\x1b" in line for line in lines)
    assert lines[1].index("minimize") == lines[0].index("direction")


def test_tables_on_a_terminal_show_every_cell(monkeypatch):
    from popnas.cli.terminal import output

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    output.print_table(["name", "what"], [["[bold]", None], ["b", 3]])
    assert "[bold]" in terminal.getvalue()


def test_json_refuses_what_json_cannot_hold():
    from popnas.cli.terminal.output import print_json

    with pytest.raises(ValueError, match="JSON"):
        print_json(float("nan"))


def test_json_is_readable(capsys):
    from popnas.cli.terminal.output import print_json

    print_json({"a": "ä"})
    assert json.loads(capsys.readouterr().out) == {"a": "ä"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["select", "-p", "x", "-k", "many"], "'-k': must be a whole number, at least 1, got 'many'."),
        (["select", "-p", "x", "-k", "0"], "'-k': must be a whole number, at least 1, got 0."),
        (["select"], "Error: -p RUN is missing (The run). Write it as in -p logs/NAME."),
        (["draw"], "Error: --spec CELL is missing (The cell"),
        (["draw", "foo"], "Error: popnas draw takes no argument 'foo': --spec CELL is missing (The cell"),
        (["draw", CELL], f"It is given with: popnas draw --spec '{CELL}'\n"),
        (
            ["select", "runs/a b"],
            "popnas select takes no argument 'runs/a b': -p RUN is missing (The run). W",
        ),
        (["archives", "here"], "It is given with: popnas archives -p here\n"),
        (["archives", "gone"], "popnas archives takes no argument 'gone': -p FOLDER is missing (The archive"),
        (["archives", "-p", "gone"], "the archive gone does not exist. An archive is a folder with a folder"),
        (["archives", "-p", "file"], "the archive file is a file, not a folder. An archive is a folder with"),
        (["list", "runs", "gone"], "Error: gone does not exist. Give the folder of runs, or one run."),
        (["list", "runs", "file"], "Error: file is a file, not a folder. Give the folder of runs, or one"),
        (["list", "operator"], "popnas list has no command 'operator'. Did you mean 'operators'?"),
        (["list", "nope"], "popnas list has no command 'nope'. Its commands: datasets, evaluators, "),
        (["bench", "nope", "-j", "x"], "popnas bench has no command 'nope'. Its commands: build, "),
        (["draw", "--spce", "[]"], "Error: popnas draw has no option '--spce'. Did you mean '--spec'?"),
        (["pick", "-z"], "Error: popnas pick has no option '-z'. Its options: -"),
        (
            ["search", "--max-hour", "3"],
            "no option '--max-hour'. Did you mean the field 'max_hours'? It is set "
            "with --set others.max_hours=V.",
        ),
        (["select", "--max-hours=3"], "It is a field of the configuration: --set others.max_hours=V."),
        (["search", "--batch-size", "3"], "It is a field of the configuration: --set dataset.batch_size=V."),
        (["search", "--nmae", "a"], "has no option '--nmae'. Did you mean '--name'?"),
        (
            ["search", "--ensemble", "3"],
            " --ensemble is an option of popnas train, popnas e2e, popnas archives.",
        ),
        (["train", "-k", "3"], "has no option '-k'. -k is an option of popnas select, popnas e2e, "),
        (["plan", "-p", "x"], "has no option '-p'. Its options: -j"),
        (["select", "-p", "x", "-jms", "y"], "no argument 'y'. -jms is an option of popnas e2e, "),
        (["evaluate", "--max-hours", "3"], "popnas evaluate has no option '--max-hours'. Its options: -p"),
        (
            ["search", "others.max_hours=2"],
            "popnas search takes no argument 'others.max_hours=2'. A field is "
            "changed with --set others.max_hours=2.",
        ),
        (["doctor", "well"], "popnas doctor takes no argument 'well'."),
        (["config", "check", "a.json"], "It is given with -j: popnas config check -j a.json"),
        (["evaluate", "-p", "x", "y"], "popnas evaluate takes no argument 'y'.\n"),
        (["--output"], "Error: popnas has no option '--output'. Its options: --version, -"),
    ],
)
def test_mistakes_on_the_command_line_are_in_our_words(arguments, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir(), (tmp_path / "file").touch()
    assert room.run(arguments) == 2
    assert told in capsys.readouterr().err


def test_a_missing_run_is_told_with_the_runs_that_there_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        (tmp_path / "logs" / name / "restore").mkdir(parents=True)
    assert room.run(["evaluate", "logs/first"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "Write it as in -p logs/NAME. Runs in logs: first, second." in told


def test_every_number_of_every_command_is_refused_in_our_words(capsys):
    """No option of a number answers in the words of the layer below."""
    asked = 0
    for name in room.COMMANDS:
        command = room.cli.get_command(None, name)
        assert command is not None
        subs = command.commands.items() if isinstance(command, click.Group) else [(None, command)]
        for sub, found in subs:
            for option in found.params:
                is_number = isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
                if isinstance(option, click.Option) and is_number:
                    words = [name, *([sub] if sub else []), option.opts[0], "many"]
                    assert room.run(words) == 2
                    assert "number" in (told := capsys.readouterr().err), told
                    assert "range" not in told, told
                    asked += 1
    assert asked > 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["select", "--name", "../x"], "--name '../x' cannot be a folder"),
        (["train", "--name", "deploy"], "--name 'deploy' cannot be a folder"),
        (["train", "--spec", "[]"], "--spec: the empty cell"),
        (["select", "--params", "5;4"], 'Write --params "4;5"'),
        (["evaluate", "--set", "others.seed=3"], "--set others.seed=3: a trained network keeps"),
    ],
)
def test_what_the_rooms_below_call_arguments_are_options_here(tmp_path, capsys, arguments, words):
    """In Python they are told as `name`, `cell`, ...; whoever typed a flag reads of that flag."""
    old = Path(__file__).parents[2] / "data" / "journal_0.1.0"
    run = shutil.copytree(old, tmp_path / "run" / "restore").parent
    best = {"cell": "[]", "network": {"macro": "x", "input_shape": [8, 8, 1], "num_classes": 1}}
    (run / "best_model").mkdir()
    (run / "best_model" / "model.json").write_text(json.dumps(best | {"class_names": ["0"]}))
    name, *options = arguments
    assert room.run([name, "-p", str(run), *options]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert "`" not in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["dataset", "inspect", "data.npz", "-o"],
        ["dataset", "masks", "-p", ".", "-o"],
        ["report", ".", ".", "-o"],
        ["slides", ".", "-o"],
        ["export", "-p", ".", "--source", "-o"],
        ["draw", "--spec", "[]", "-o"],
    ],
)
def test_what_is_written_does_not_replace_data_of_another_kind(tmp_path, capsys, arguments):
    data = tmp_path / "data.npz"
    data.write_bytes(b"the only copy")
    assert room.run([*arguments, str(data)]) == 2
    assert "-o" in (told := capsys.readouterr().err) and ("must end in" in told or ".npz" in told)
    assert data.read_bytes() == b"the only copy"


def test_no_error_below_the_command_line_speaks_of_its_options():
    """But commands that can be typed do, and what is said of the command line's own files."""
    rooms = ("runs", "workflows/models", "workflows/searching/search.py", "workflows/whole", "training")
    flags = re.compile(r"(?<![\w-])--(name|renew|spec|set|params|batch-size)\b")
    source = Path(popnas.__file__).parent
    paths = [
        path for name in rooms for path in [source / name, *(source / name).rglob("*.py")] if path.is_file()
    ]
    told = [
        f"{path.name}: {node.value}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if flags.search(node.value) and not flags.fullmatch(node.value) and "\n" not in node.value
    ]
    assert told == []


def test_hours_of_a_whole_job_are_its_time_limit(monkeypatch, capsys):
    from popnas.workflows.whole import end_to_end

    def stop(config, *_, **__):
        raise DataError(f"limited to {config.others.max_hours}")

    monkeypatch.setattr(end_to_end, "end_to_end", stop)
    assert room.run(["e2e", "-j", "run_debug", "--hours", "0.5"]) == 2
    assert "limited to 0.5" in capsys.readouterr().err


def test_an_interruption_that_a_library_turned_into_an_error_is_one(monkeypatch, capsys):
    from popnas.workflows.whole import end_to_end

    def be_interrupted(*_, **__):
        try:
            try:
                raise Stopped(15)
            except KeyboardInterrupt as stop:  # as an extension module that was being loaded
                raise ImportError("initialization failed") from stop
        except ImportError as error:
            raise PopnasError("the setup failed: ImportError") from error

    monkeypatch.setattr(end_to_end, "end_to_end", be_interrupted)
    assert room.run(["e2e", "-j", "run_debug"]) == 143
    told = capsys.readouterr().err
    assert "Interrupted." in told and "ImportError" not in told
