"""`popnas journal` and `popnas pick` on a small run folder."""

import json
import shlex
from dataclasses import replace

import pytest
from click.testing import CliRunner

from popnas.cli.looking import journal, pick
from popnas.cli.main import cli
from popnas.errors import RunFolderError, UserError
from popnas.evaluation import Evaluation
from popnas.report.sections import ensembles
from popnas.report.sections.ensembles import EnsembleMember, EnsemblePlan, EnsembleSize
from popnas.runs import RunFolder

CELLS = "[(-1, 3x3 conv, -1, 3x3 conv)]", "[(-1, identity, -1, identity)]"
CONFIG = {
    "dataset": {"type": "image_classification", "batch_size": 32},
    "architecture_hyperparameters": {"filters": 8, "motifs": 2, "normal_cells_per_motif": 1},
    "search_strategy": {"additional_pareto_objectives": ["time"]},
    "others": {"seed": 0},
}


@pytest.fixture
def run(tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG, volatile={"host": "a"})
    with folder.journal as log:
        cells = [{"cell": cell, "is_exploration": False, "predictions": {}} for cell in CELLS]
        log.append("proposals", {"step": 1, "cells": cells})
        for index in (1, 0):  # completed the other way round
            item = Evaluation(
                CELLS[index],
                1,
                index,
                False,
                1,
                {"accuracy": 0.9 - index / 4},
                score=0.9 - index / 4,
                training_seconds=2.0 - index,
                inference_seconds=0.002 - index / 1000,
                params=500 - 400 * index,
                flops=10,
            )
            log.append("evaluation", item.content(), {"worker": index})
    return folder.path


def invoke(command, *arguments):
    words = [command.name, *map(str, arguments)]
    return CliRunner().invoke(cli, words, catch_exceptions=False)


def test_journal_prints_the_file(run):
    assert invoke(journal.command, run).output == (run / "restore" / "journal.jsonl").read_text()


def test_content_is_in_order_of_proposal_without_what_is_volatile(run):
    lines = [json.loads(line) for line in invoke(journal.command, run, "--content").output.splitlines()]
    assert [line.get("index") for line in lines] == [None, None, 0, 1]
    assert "worker" not in json.dumps(lines)


def test_a_half_written_last_line_is_not_printed(run):
    path = run / "restore" / "journal.jsonl"
    whole = path.read_text()
    path.write_text(whole + '{"seq":5,"ev')
    assert invoke(journal.command, run).output == whole


def test_commands_on_what_is_no_run(tmp_path):
    for command in (journal.command, pick.command):
        with pytest.raises(RunFolderError, match="does not exist"):
            invoke(command, tmp_path / "nothing")


def test_pick_the_best_score_with_the_command_that_trains_it(run):
    output = invoke(pick.command, run).output
    assert f"cell: {CELLS[0]}" in output
    assert "score: 0.9000" in output.splitlines()
    (line,) = [line for line in output.splitlines() if line.startswith("train command: ")]
    assert shlex.split(line.removeprefix("train command: ")) == (
        ["popnas", "train", "-p", str(run), "-b", "32", "-f", "8", "-m", "2", "-n", "1", "--spec", CELLS[0]]
    )


def test_pick_shows_people_what_people_read(run):
    lines = dict(line.split(": ", 1) for line in invoke(pick.command, run).output.splitlines())
    assert "is exploration" not in lines and "False" not in lines.values()
    assert pick._for_people(1234567) == "1,234,567"
    assert pick._for_people(1234.5678) == "1,234.57"
    assert pick._for_people(0.012345678) == "0.0123457"
    assert pick._for_people(True) == "yes"


@pytest.mark.parametrize("limit", [("--max-params", 499), ("--max-latency", 1.5)])
def test_pick_keeps_to_limits(run, limit):
    found = json.loads(invoke(pick.command, run, *limit, "--json").output)
    assert found["cell"] == CELLS[1]
    assert (found["score"], found["params"], found["inference_seconds"]) == (0.65, 100, 0.001)
    assert CELLS[1] in found["train_command"]


def test_pick_says_what_comes_nearest(run):
    with pytest.raises(UserError, match=r"parameters of at most 10 \(the best has 100\)"):
        invoke(pick.command, run, "--max-params", 10)


def test_pick_tells_the_best_size_of_an_ensemble_that_keeps_to_the_limits(run):
    assert json.loads(invoke(pick.command, run, "--json").output)["ensemble"] is None
    member = EnsembleMember("0-m2-n1-f8", CELLS[0], 2, 1, 8, None, 0, 100, 1000)
    figures = [(0.8, 0.5), (0.9, 0.4), (0.9, 0.3)]
    sizes = [
        EnsembleSize(number, 100 * number, 1000 * number, *pair)
        for number, pair in enumerate(figures, start=1)
    ]
    folder = RunFolder.open(run).final_training
    folder.mkdir()
    plan = EnsemblePlan(3, None, None, "accuracy", [member] * 3, sizes, 3)
    ensembles.write(folder, plan)

    def picked(*limits):
        return json.loads(invoke(pick.command, run, *limits, "--json").output)["ensemble"]

    assert (picked()["members"], picked()["score"]) == (3, 0.9)
    within = picked("--max-params", 299)
    assert (within["members"], within["params"]) == (2, 200)
    assert shlex.split(within["train_command"])[1:] == (
        ["train", "-p", str(run), "--ensemble", "2", "--renew"]
    )
    assert picked("--max-params", 199) is None  # the first alone is no ensemble
    assert picked("--max-latency", 100) is None  # nobody measured that
    lines = invoke(pick.command, run).output.splitlines()
    assert any(line.startswith("ensemble: 3 networks, 300 params") for line in lines)

    # What is trained already needs no command; else it is asked for as it was.
    asked = replace(plan, asked=5, max_params=500, settings=["training_hyperparameters.epochs=3"])
    ensembles.write(folder, asked)
    words = ["train", "-p", str(run), "--set", "training_hyperparameters.epochs=3", "--ensemble"]
    assert shlex.split(picked()["train_command"])[1:] == [*words, "5", "--max-params", "500"]
    (folder / "model.json").write_text("{}")
    assert picked()["train_command"] is None
    lines = invoke(pick.command, run).output.splitlines()
    assert any(line.endswith("in the selection; that is what is delivered") for line in lines)
    smaller = shlex.split(picked("--max-params", 299)["train_command"])
    assert smaller[1:] == [*words, "2", "--max-params", "500", "--renew"]
    ensembles.write(folder, replace(plan, given="it", members=[replace(member, macro="residual")] * 3))
    given = shlex.split(picked("--max-params", 299)["train_command"])
    assert given[4:12] == ["-m", "2", "-n", "1", "-f", "8", "--spec", CELLS[0]]
    assert given[12:] == [
        *("--set", 'architecture_hyperparameters.macro_architecture="residual"'),
        *("--ensemble", "2", "--renew"),
    ]
    # A network without cells cannot be given: it is the best of its selection.
    fitted = replace(member, cell="[]", macro="random_kernels")
    ensembles.write(folder, replace(plan, given="it", selection="mine", members=[fitted] * 3))
    given = shlex.split(picked("--max-params", 299)["train_command"])
    assert given[4:] == ["--selection", "mine", "-m", "2", "-n", "1", "-f", "8", "--ensemble", "2", "--renew"]


def test_pick_shows_the_confirmed_mean_beside_the_score(run):
    assert "\nconfirmed: " not in invoke(pick.command, run).output
    assert json.loads(invoke(pick.command, run, "--json").output)["confirmed"] is None
    folder = RunFolder.open(run)
    with folder.journal as log:
        for repetition, score in enumerate((0.8, 0.82, 0.84), start=1):
            log.append("confirmation", {"cell": CELLS[0], "repetition": repetition, "score": score})
    lines = invoke(pick.command, run).output.splitlines()
    place = lines.index("score: 0.9000")
    assert lines[place + 1] == "confirmed: 0.8200 ± 0.0497 over 3 other seeds"
    found = json.loads(invoke(pick.command, run, "--json").output)["confirmed"]
    assert (found["mean"], found["scores"]) == (pytest.approx(0.82), [0.8, 0.82, 0.84])
    assert found["half"] == pytest.approx(0.0497, abs=1e-4)
