"""`popnas.watch`: a page that is replaced in a notebook, lines elsewhere, until nothing works on the run."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

import popnas
from popnas.api import watching
from popnas.errors import RunFolderError, UnknownNameError, UserError
from popnas.runs.watched import RunSeen

SEEN = RunSeen("running", True, False, 0, 0, None, phase="loading the data")
COURSE = [
    SEEN,
    replace(SEEN, phase="step 1", total=4),
    replace(SEEN, phase="step 1", total=4, networks={"0": (1, 3)}),
    replace(SEEN, phase="step 1", total=4, done=1, num_networks=2, best_score=0.5),
    replace(SEEN, words="finished", is_running=False, is_finished=True, num_networks=3, num_failed=1),
]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    path = Path(__file__).parents[1] / "report" / "synthetic_run.py"
    spec = importlib.util.spec_from_file_location("synthetic_run", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    place = tmp_path_factory.mktemp("runs") / "run"
    return module.SyntheticRun(place, blocks=1, operators=["identity", "3x3 conv"]).folder.path


@pytest.fixture
def course(monkeypatch, run_folder):
    looks = iter(COURSE)

    class Watched:
        def __init__(self, path):
            self.look = lambda: next(looks)

    monkeypatch.setattr(watching, "Watched", Watched)


class Display:
    def __init__(self):
        self.pages = []

    def __call__(self, page, display_id):
        assert display_id
        self.pages.append(page)
        return self

    def update(self, page):
        self.pages.append(page)


def test_lines_where_there_is_no_notebook(course, run_folder, capsys):
    found = popnas.watch(run_folder, seconds=0.001)
    assert isinstance(found, popnas.Run) and found.path == run_folder
    assert capsys.readouterr().out.splitlines() == [
        "loading the data, 0 networks",
        "step 1 0/4, 0 networks",
        "step 1 1/4, 2 networks, best 0.5000",
        "finished, 3 networks, 1 failed",
    ]


def test_a_page_in_a_notebook_that_is_replaced(course, run_folder, monkeypatch):
    display, drawn = Display(), []
    monkeypatch.setattr(watching, "_display", lambda: display)
    monkeypatch.setattr(popnas.Run, "picture", lambda self, name: drawn.append(name) or f"<img alt={name}>")
    popnas.watch(run_folder, seconds=0.001, figures=("pareto_fronts",))
    assert len(display.pages) == len(COURSE)
    assert len(drawn) == 3, "figures are drawn when there is another network, not at every look"
    assert "<progress" in display.pages[1]._repr_html_() and "<img" in display.pages[-1]._repr_html_()
    assert repr(display.pages[-1]) == "finished, 3 networks, 1 failed"


def test_a_finished_run_is_shown_once_with_its_figures(run_folder, monkeypatch):
    display = Display()
    monkeypatch.setattr(watching, "_display", lambda: display)
    popnas.watch(run_folder)
    (page,) = display.pages
    assert page._repr_html_().count("data:image/png;base64,") == 2


def test_interrupting_ends_the_watching_alone(run_folder, monkeypatch, course):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", interrupt)
    assert isinstance(popnas.watch(run_folder), popnas.Run)


def test_mistakes_are_told_before_anything_is_shown(run_folder, tmp_path):
    with pytest.raises(RunFolderError):
        popnas.watch(tmp_path / "none")
    with pytest.raises(UnknownNameError, match="pareto_fronts"):
        popnas.watch(run_folder, figures=("pareto_front",))
    with pytest.raises(UserError, match="more than 0"):
        popnas.watch(run_folder, seconds=0)
