import sys

import numpy as np
import pytest

import popnas
from popnas.errors import MissingExtraError, RunFolderError, UnknownNameError, UserError
from popnas.evaluation import Evaluation
from popnas.runs import RunFolder

CONFIG = {
    "search_space": {"blocks": 1, "lookback_depth": 1, "operators": ["identity", "3x3 conv"]},
    "search_strategy": {"score_metric": "accuracy", "additional_pareto_objectives": ["params"]},
    "dataset": {"type": "image_classification", "name": "digits"},
    "others": {"seed": 0},
}
CELLS = [
    "[]",
    "[(-1, 3x3 conv, -1, 3x3 conv)]",
    "[(-1, 3x3 conv, -1, identity)]",
    "[(-1, identity, -1, identity)]",
]


@pytest.fixture
def folder(tmp_path):
    """A run under way: one cell of four failed, another is not trained yet."""
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    with folder.journal as journal:
        journal.append("proposals", {"step": 0, "cells": [{"cell": CELLS[0]}]}, {})
        journal.append("proposals", {"step": 1, "cells": [{"cell": cell} for cell in CELLS[1:]]}, {})
        for index, (cell, score, params) in enumerate(
            zip(CELLS[:3], (0.5, 0.75, None), (10, 30, 20), strict=True)
        ):
            step = int(cell != "[]")
            failure = {"error": "loss is <NaN>", "error_kind": "nan"} if score is None else {}
            evaluation = Evaluation(
                cell=cell, step=step, index=max(index - 1, 0), is_exploration=False, seed=1, score=score,
                metrics={"accuracy": score} if score else {}, training_seconds=1.5, inference_seconds=0.01,
                params=params, flops=100 * params, **failure,
            )  # fmt: skip
            journal.append("evaluation", evaluation.content(), {})
    return folder.path


def test_a_run_under_way(folder):
    run = popnas.Run(folder)
    assert run.best.cell == CELLS[1] and run.path == folder
    assert repr(run) == "<popnas run run: in step 0, 3 networks (1 failed), best score 0.7500>"
    assert run.front[["cell", "score", "params"]].to_dict("records") == [
        {"cell": CELLS[1], "score": 0.75, "params": 30}
    ]
    table = run.table("training_results")
    assert table["cell structure"].tolist() == CELLS[:3]
    assert table["error"].tolist()[2] == "nan: loss is <NaN>"
    assert run.table("training_results.csv").equals(table)


def test_tables_of_files_too(folder):
    (folder / "csv").mkdir(exist_ok=True)
    (folder / "csv" / "predictions_B2.csv").write_text("time,val score\n1.5,0.25\n")
    (folder / "csv" / "empty.csv").write_text("")
    (folder / "model_selection").mkdir()
    (folder / "model_selection" / "training_results.csv").write_text("cell_spec,m\n[],3\n")
    run = popnas.Run(folder)
    assert {"predictions_B2", "model_selection", "training_results"} <= set(run.tables)
    assert "empty" not in run.tables
    assert run.table("predictions_B2")["val score"].tolist() == [0.25]
    assert run.table("model_selection")["m"].tolist() == [3]


def test_no_such_table_or_plot(folder):
    run = popnas.Run(folder)
    with pytest.raises(UnknownNameError, match="Did you mean 'training_results'"):
        run.table("training_result")
    with pytest.raises(UnknownNameError, match="step_overview"):
        run.plot("step_overvie")
    with pytest.raises(UserError, match="does not apply to run run, or not yet"):
        run.plot("operator_costs")
    with pytest.raises(RunFolderError, match="does not exist"):
        popnas.Run(folder / "nothing")


def test_plots_are_the_reports(folder):
    run = popnas.Run(folder)
    assert "step_overview" in run.plots and "operator_costs" not in run.plots
    figure = run.plot("step_overview")
    figure.canvas.draw()
    assert np.asarray(figure.canvas.buffer_rgba()).std() > 0


def test_a_notebook_shows_it(folder):
    page = popnas.Run(folder)._repr_html_()
    assert CELLS[1] in page and "<td>0.75</td><td>30</td>" in page and "data:image/png;base64," in page
    empty = RunFolder.create(folder.parent / "<b>", CONFIG)
    page = popnas.Run(empty.path)._repr_html_()
    assert "&lt;b&gt;" in page and "<table>" not in page


def test_without_pandas_all_but_tables_works(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    run = popnas.Run(folder)
    assert run.best is not None and run._repr_html_() and run.tables
    for ask in (lambda: run.front, lambda: run.table("training_results")):
        with pytest.raises(MissingExtraError, match=r"popnas\[notebook\]"):
            ask()
