"""A view that cannot be made is told and missing; no name, setting or disk makes it more than that."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from popnas import report, storage
from popnas.errors import StorageError
from popnas.events import Warned
from popnas.export.model_values import ModelDescription
from popnas.networks.spec import NetworkSpec
from popnas.report import canvas, confusion
from popnas.report.figures import FIGURES, Plot
from popnas.report.model_results import Calibration, ClassFigures, EvaluatedModel, EvaluationResult
from popnas.report.pages import evaluation_page
from popnas.report.views import RepeatedViews, Views

CELL = "[(-1, identity, -1, identity)]"
HOSTILE = [
    "$5_to_$10",
    "a\nb",
    "😀猫",
    "\u202eright to left",
    "x" * 300,
    "<b>&",
    "\x1b[31mred",
    "_hidden",
    "$\\frac{",
]


def test_what_fails_is_told_once_and_the_rest_goes_on():
    told = []
    views = Views(told.append)
    with views.view("one"):
        raise ValueError("no ink\nat all")
    with views.view("two"):
        raise StorageError("cannot write two: the disk is full.")
    assert told == [Warned(text) for text in views.missing]
    assert views.missing[0] == "one is missing: ValueError: no ink. Nothing else is affected."
    assert views.missing[1] == (
        "two is missing: cannot write two: the disk is full. Nothing else is affected."
    )


def test_a_place_where_nothing_can_be_written_is_told_of_once(tmp_path):
    told = []
    views = Views(told.append)
    for name in ("a.html", "b.pdf", "c.json"):
        with views.view(str(tmp_path / name)), storage.storage_errors(tmp_path / name):
            raise OSError(errno.EROFS, "Read-only file system")
    assert len(told) == 1
    assert told[0].text.startswith(f"{tmp_path / 'a.html'} is missing: cannot write ")
    assert told[0].text.endswith(
        " The same holds for all else that would be written there; nothing else is affected."
    )
    assert [text.partition(" ")[0] for text in views.missing] == [
        str(tmp_path / name) for name in ("a.html", "b.pdf", "c.json")
    ]


def test_an_older_file_in_a_views_place_is_told_as_what_it_is(tmp_path):
    views = Views()
    (tmp_path / "report.html").write_text("of yesterday")
    for name in ("report.html", "new.html"):
        with views.view(str(tmp_path / name)):
            raise ValueError("no ink")
    assert views.missing == [
        f"{tmp_path / 'report.html'} is not made anew, and an older one stands there: "
        "ValueError: no ink. Nothing else is affected.",
        f"{tmp_path / 'new.html'} is missing: ValueError: no ink. Nothing else is affected.",
    ]


def test_a_view_that_every_network_lacks_is_told_once_and_counted(tmp_path):
    told = []
    repeated = RepeatedViews(told.append)
    for number in range(3):
        views = Views()
        with views.view(str(tmp_path / str(number) / "summary.txt")):
            raise ValueError(f"no ink in {tmp_path / str(number)}")
        if number == 2:
            views.lost("another view", "it is too large")
        repeated.lost(tmp_path / str(number), views.missing)
    texts = [event.text for event in told]
    assert [str(tmp_path / "0") in texts[0], "another view" in texts[1], len(told)] == [True, True, 2]
    repeated.tell_counts()
    assert [event.text for event in told[2:]] == [
        "of 3 networks .../summary.txt is missing: ValueError: no ink in .... Nothing else is affected."
    ]


def test_an_interruption_is_no_failed_view():
    with pytest.raises(KeyboardInterrupt), Views().view("one"):
        raise KeyboardInterrupt


def test_a_disk_that_refuses_what_was_asked_for_is_an_error():
    with pytest.raises(StorageError), Views(are_the_job=True).view("one"):
        raise StorageError("cannot write")


def test_names_of_users_are_drawn_as_they_are(tmp_path):
    told = []
    counts = np.arange(len(HOSTILE) ** 2).reshape(len(HOSTILE), -1)
    confusion.write(tmp_path, "matrix", counts, HOSTILE, Views(told.append))
    assert told == []
    assert {path.name for path in tmp_path.iterdir()} == {
        f"matrix{kind}.{suffix}" for kind in ("", "_normalised") for suffix in ("csv", "png")
    }


def test_dollar_signs_are_no_formula():
    with canvas.look():
        figure = Figure()
        text = figure.text(0.1, 0.5, "$5_to_$10")
    assert not text.get_parse_math()


@pytest.mark.parametrize("settings", [{"text.usetex": True, "axes.facecolor": "red", "font.size": 40}])
def test_the_users_settings_do_not_reach_our_figures(settings):
    def paint():
        figure, rows = canvas.panels(1, 1, "title")
        rows[0][0].plot([1, 2])
        return figure

    plain = canvas.encode_painted(paint)
    with matplotlib.rc_context(settings):
        assert canvas.encode_painted(paint) == plain
        assert {name: matplotlib.rcParams[name] for name in settings} == settings


@pytest.mark.parametrize("backend", ["module://no_such_backend", "nonsense"])
def test_no_backend_of_the_users_stops_a_drawing(backend, tmp_path):
    (tmp_path / "matplotlibrc").write_text("nonsense: 1\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "popnas",
            "draw",
            "--spec",
            "[(-1, identity, -1, identity)]",
            "-o",
            "cell.png",
        ],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "cell.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_that_fails_costs_only_itself(tmp_path, make_run, monkeypatch):
    def fail(*_):
        raise RuntimeError("no ink")

    name, plot = next(iter(FIGURES.items()))
    broken = Plot(plot.order, plot.section, plot.caption, lambda run: 1, fail)
    run_folder = make_run()
    monkeypatch.setattr("popnas.report.figures.ordered", lambda: [("broken", broken), (name, plot)])
    told = []
    report.write(run_folder, run_folder.state(), Views(told.append))
    assert len(told) == 1
    assert "broken.png is missing: RuntimeError: no ink" in told[0].text
    assert "<h2>Result</h2>" in run_folder.report_html.read_text()


def _result(names):
    network = NetworkSpec("classification", (8, 8, 1), len(names))
    return EvaluationResult(
        model=EvaluatedModel("m", "model.onnx", ModelDescription("[]", network, list(names), params=1)),
        num_samples=2,
        test_lengths=None,
        metrics={"accuracy": 0.5, "top_k_accuracy": 0.75},
        heads=[],
        classes=[ClassFigures(name, 1.0, 1.0, 1.0, None, 1) for name in names],
        unseen=[],
        calibration=Calibration(0.1, bins=[]),  # of which nothing can be drawn
        confusion=np.eye(len(names), dtype=int).tolist(),
    )


@pytest.mark.parametrize(("num_classes", "is_told"), [(5, False), (6, True)])
def test_top_5_accuracy_is_told_where_it_says_something(num_classes, is_told):
    page = evaluation_page.html(_result([f"c{k}" for k in range(num_classes)]), Views(lambda event: None))
    assert ("top-5 accuracy" in page) is is_told


def test_a_part_of_a_page_that_fails_is_left_out():
    told = []
    page = evaluation_page.html(_result(HOSTILE), Views(told.append))
    assert [event.text.partition(" is missing")[0] for event in told] == [
        "the part 'Calibration' of the page of m"
    ]
    assert "<h2>Confusion</h2>" in page
    assert "<b>&" not in page
