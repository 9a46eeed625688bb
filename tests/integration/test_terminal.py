"""The commands as a person meets them: on a terminal, from the start to the end, at several widths."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time

import pytest

from popnas.cli.terminal.wrap import pieces

CTRL_C = b"\x03"
COUNTED = re.compile(r"[━┄]+ (\d+)/(\d+)")


def check_screens(watched):
    """No screen has a bar without an end, a library's words or a broken line; every bar ends full."""
    last, bars = None, []
    for screen in watched.screens:
        text = "\n".join(screen)
        assert "Traceback" not in text
        assert "/?" not in text
        assert "Error" not in text
        found = COUNTED.findall(text)
        assert len(found) <= 1, text
        if not found:
            continue
        done, total = map(int, found[0])
        if last is not None and (total != last[1] or done < last[0]):
            bars.append(last)
        last = done, total
    bars += [last] if last else []
    assert bars, "no bar was seen"
    assert [bar for bar in bars if bar[0] != bar[1]] == []
    assert not watched.screen.cursor.hidden
    assert not any(set(line) & set("━┄⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏") for line in watched.lines())


def check_words(watched):
    """The terminal itself breaks nothing but what stays whole: a path, a command, a cell."""
    for line in watched.written():
        assert len(line) <= watched.screen.columns or len(pieces(line)) == 1, line


def test_a_search_on_a_narrow_terminal(terminal, popnas):
    watched = terminal("search", "-j", popnas.write_config(), "--name", "run", columns=40)
    assert watched.watch() == 0
    check_screens(watched)
    check_words(watched)
    text = watched.text()
    assert "\nRun folder: logs/run\nSearch completed: " in f"\n{text}"
    assert re.search(r"\nBest cell:\s+\[\(.*\)\]\nValidation: 0\.\d{4}\nParams:     [\d,]+\n", text)
    assert text.endswith("Report:     logs/run/report.html\n")
    seen = "\n".join("\n".join(screen) for screen in watched.screens)
    for words in ("step 0, no cell", "step 2, cells of 2 blocks", "fitting predictors", "writing tables"):
        assert words in seen.replace("\n", " ")
    assert re.search(r"best 0\.\d{4}", seen)


def test_ctrl_c_says_how_to_go_on_and_the_terminal_is_as_before(terminal, popnas):
    watched = terminal("search", "-j", popnas.write_config(), "--name", "run")
    watched.watch("step 1, cells of 1 block")
    watched.press(CTRL_C)
    assert watched.watch() == 130
    assert watched.words().endswith(
        "Interrupted. What is finished is kept. Go on with: popnas search -r logs/run"
    )
    assert "Traceback" not in watched.text()
    assert not watched.screen.cursor.hidden


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize(
    ("arguments", "status", "shown"),
    [
        (["list", "objectives"], 0, "inference_time"),
        (["config", "check", "--set", "search_space.blokcs=2"], 2, "Did you mean 'blocks'?"),
        (["pick", "no/such/run"], 2, "no/such/run"),
        (["search", "-h"], 0, "Leaves a run folder with tables, plots, report.html"),
        (["serch"], 2, "Did you mean 'search'?"),
        (["list", "runs"], 0, "No runs below logs."),
    ],
)
def test_light_commands_lose_no_text(columns, arguments, status, shown, terminal):
    watched = terminal(*arguments, columns=columns)
    assert watched.watch() == status
    assert "".join(shown.split()) in "".join(watched.text().split())
    check_words(watched)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("columns", "environment"),
    [
        (40, {"COLORFGBG": "15;0"}),
        (80, {"COLORFGBG": "0;15", "TERM": "xterm"}),
        (200, {"NO_COLOR": "1"}),
        (80, {"TERM": "dumb"}),
        (80, {"PYTHONIOENCODING": "ascii"}),
    ],
    ids=lambda value: str(value),
)
def test_every_command_works_on_a_terminal_from_start_to_end(columns, environment, terminal, popnas):
    popnas.write_config(**{"others.confirm": True})
    (popnas.folder / "two.json").write_text(json.dumps({"training_hyperparameters": {"epochs": 3}}))
    commands = [
        ("search -j config.json --name a", True),
        ("search -r logs/a", False),
        ("report logs/a", False),
        ("select -p logs/a -j two.json -k 2", True),
        ("train -p logs/a -j two.json", True),
        ("evaluate -p logs/a --top", False),
        ("e2e -j config.json -jms two.json -jlt two.json -k 1 --name b", True),
        ("report logs/a logs/b", False),
        ("export -p logs/a --source", False),
        ("plan -j config.json", False),
        ("init digits", False),
        ("dataset inspect digits", False),
        ("list runs", False),
        ("pick logs/a", False),
        ("describe -j config.json", False),
        ("doctor", False),
        ("latency logs/a/best_model/model.onnx -b 1 -n 2", False),
    ]
    can_draw = environment.get("TERM") != "dumb" and "PYTHONIOENCODING" not in environment
    for command, has_bar in commands:
        watched = terminal(*command.split(), columns=columns, **environment)
        status = watched.watch()
        assert status == (2 if command.startswith("describe") else 0), f"{command}\n{watched.text()}"
        assert "Traceback" not in watched.text(), command
        assert not watched.screen.cursor.hidden
        check_words(watched)
        if has_bar and can_draw:
            check_screens(watched)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("stage", ["search", "select", "train", "e2e"])
def test_every_long_command_says_how_to_go_on(number, status, stage, terminal, popnas, searched_run):
    shutil.copytree(searched_run, popnas.folder / "logs" / "run")
    popnas.write_config()
    long = {"training_hyperparameters": {"epochs": 2000}}
    (popnas.folder / "long.json").write_text(json.dumps(long))
    command, seen, hint = {
        "search": ("search -j config.json --name new", "step 1, cells", "popnas search -r logs/new"),
        "select": ("select -p logs/run -j long.json -k 1", "epochs", "The same command goes on with it."),
        "train": ("train -p logs/run -j long.json", "epochs", "The same command goes on with it."),
        "e2e": ("e2e -j config.json -jms long.json --name new", "step 1, cells", "popnas e2e -r logs/new"),
    }[stage]
    watched = terminal(*command.split())
    watched.watch(seen)
    if number == signal.SIGINT:
        watched.press(CTRL_C)  # which the terminal writes behind the bar
    else:
        watched.process.send_signal(number)
    assert watched.watch() == status
    assert not any(set(line) & set("━┄⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏") for line in watched.lines()), watched.text()
    text = watched.words()
    assert text.endswith(hint)
    assert text.count("Interrupted.") == 1
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "gap", [pytest.param(0.0, marks=pytest.mark.slow), 0.1, pytest.param(0.3, marks=pytest.mark.slow)]
)
def test_ctrl_c_twice_in_a_stage_of_a_job_leaves_no_bar(gap, terminal, popnas):
    watched = terminal("e2e", "-j", popnas.write_config(**{"search_space.blocks": 3}), "--name", "run")
    watched.watch("step 1, cells of 1 block")
    watched.press(CTRL_C)
    time.sleep(gap)
    watched.press(CTRL_C)
    assert watched.watch(seconds=10) == 130
    assert not any(set(line) & set("━┄⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏") for line in watched.lines()), watched.text()
    assert watched.words().count("Interrupted.") == 1
    assert watched.words().endswith("Go on with: popnas e2e -r logs/run")
    assert "Traceback" not in watched.text()
    assert not watched.screen.cursor.hidden


@pytest.mark.slow
def test_ctrl_c_twice_ends_at_once_and_loses_nothing(terminal, popnas):
    watched = terminal("search", "-j", popnas.write_config(), "--name", "run")
    watched.watch("step 1, cells of 1 block")
    watched.press(CTRL_C)
    watched.press(CTRL_C)
    assert watched.watch(seconds=10) == 130
    assert "Traceback" not in watched.text()
    assert watched.words().count("popnas search -r logs/run") == 1
    assert not watched.screen.cursor.hidden
    done = len((popnas.folder / "logs/run/restore/journal.jsonl").read_bytes().splitlines())
    popnas.run("search", "-r", "logs/run")
    journal = (popnas.folder / "logs/run/restore/journal.jsonl").read_bytes().splitlines()
    assert len(journal) > done
    cells = [event["content"]["cell"] for event in map(json.loads, journal) if event["event"] == "evaluation"]
    assert len(cells) == len(set(cells))
