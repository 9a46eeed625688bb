"""`popnas report` and `popnas draw`, and the rebuilding of views."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from popnas.cli.looking.draw import command as draw
from popnas.cli.looking.report import command as report
from popnas.cli.main import cli
from popnas.errors import CellSyntaxError, OperatorError, RunFolderError, UserError
from popnas.report.run_data import RunData
from popnas.report.sections import front
from popnas.runs import RunFolder
from popnas.workflows.searching.rebuild import rebuild

MakeRun = Callable[..., RunFolder]


def invoke(command: click.Command, *arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(command.name), *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_views_and_report_come_back(make_run: MakeRun) -> None:
    folder = make_run(blocks=1, operators=["identity", "3x3 conv"])
    before = folder.journal_path.read_bytes()
    output = invoke(report, folder.path)
    assert str(folder.report_html) in output
    assert (folder.csv / "training_results.csv").exists() and (folder.csv / "training_time.csv").exists()
    first = folder.report_html.read_bytes()
    shutil.rmtree(folder.csv)
    folder.report_html.unlink()
    rebuild(folder.path)
    assert folder.report_html.read_bytes() == first
    assert (folder.csv / "training_score.csv").exists()
    assert folder.journal_path.read_bytes() == before


def test_a_report_needs_no_data(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise UserError("the data are gone")

    monkeypatch.setattr("popnas.datasets.load", gone)
    folder = make_run(blocks=1, operators=["identity"])
    output = invoke(report, folder.path)
    assert folder.report_html.exists() and (folder.csv / "training_results.csv").exists()
    assert not (folder.csv / "training_time.csv").exists()
    assert "Report" in output


def test_several_runs_are_compared(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(name, blocks=1, operators=["identity"]).path for name in ("a", "b")]
    path = tmp_path / "both.html"
    invoke(report, *runs, "-o", path)
    assert path.read_text().startswith("<!doctype html>")
    with pytest.raises(UserError, match="one run"):
        invoke(report, *runs, "--pdf")
    with pytest.raises(UserError, match="-o"):
        invoke(report, runs[0], "-o", path)


def test_no_run_there(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError):
        invoke(report, tmp_path / "nothing")


def test_draw(tmp_path: Path) -> None:
    path = tmp_path / "cell.svg"
    assert str(path) in invoke(draw, "--spec", "[(-2, identity, -1, '3x3 conv')]", "-o", path)
    assert "3x3 conv" in path.read_text()
    with pytest.raises(CellSyntaxError):
        invoke(draw, "--spec", "[(-2, identity", "-o", path)
    with pytest.raises(OperatorError, match=r"3x3 conf.*Did you mean '3x3 conv'"):
        invoke(draw, "--spec", "[(-2, identity, -1, 3x3 conf)]", "-o", path)
    with pytest.raises(UserError, match=r"\.gif"):
        invoke(draw, "--spec", "[]", "-o", tmp_path / "cell.gif")


def test_a_search_over_a_table_offers_no_training(make_run: MakeRun) -> None:
    """`select` and `train` refuse it: it has no networks."""
    folder = make_run(blocks=1, operators=["identity"])
    trained = invoke(report, folder.path) and folder.report_html.read_text()
    assert "popnas select" in trained and "popnas train" in trained
    config = json.loads(folder.run_json.read_text())
    config["others"]["evaluator"] = "table"
    run = replace(RunData.of(folder, folder.state()), config=config)
    assert "popnas train" not in front.front_table(run) + front.next_steps(run)
    assert "popnas select" not in front.next_steps(run) and "popnas pick" in front.next_steps(run)
