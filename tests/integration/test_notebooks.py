"""Runs in a notebook, with a real kernel: one that shows itself, one that is watched while it searches."""

import time

import pytest

nbformat = pytest.importorskip("nbformat")

pytestmark = [
    pytest.mark.slow,
    # Of the kernel's own libraries, not of popnas.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


@pytest.fixture
def execute(execute_notebook):
    """Executes a cell of code: its outputs, and how often something that was displayed was replaced."""

    def run(code):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        num_updates = execute_notebook(notebook)
        return notebook.cells[0].outputs, num_updates

    return run


def test_a_run_shows_itself(searched_run, execute):
    outputs, _ = execute(f"import popnas\npopnas.Run({str(searched_run)!r})")
    (shown,) = [output for output in outputs if output.output_type == "execute_result"]
    assert "<img" in shown.data["text/html"] and "popnas run" in shown.data["text/plain"]


def test_its_figures_show_themselves(searched_run, execute):
    outputs, _ = execute(f"import popnas\npopnas.Run({str(searched_run)!r}).plot('step_overview')")
    assert "image/png" in outputs[-1].data


def test_a_finished_run_is_watched_for_a_moment(searched_run, execute):
    outputs, updates = execute(f"import popnas\n_ = popnas.watch({str(searched_run)!r})")
    (shown,) = [output for output in outputs if output.output_type == "display_data"]
    assert shown.data["text/plain"].startswith("finished, ") and updates == 0
    assert shown.data["text/html"].count("<img") == 2


def test_a_front_grows_while_the_search_runs_and_the_watching_ends_with_it(popnas, execute):
    config = popnas.write_config(**{"training_hyperparameters.epochs": 6, "dataset.samples": 600})
    started = popnas.start("search", "-j", config, "--name", "live")
    folder = popnas.folder / "logs" / "live"
    while not (folder / "progress.json").exists():
        assert started.poll() is None
        time.sleep(0.05)
    outputs, updates = execute(f"import popnas\nrun = popnas.watch({str(folder)!r}, seconds=0.1)\nprint(run)")
    started.communicate(timeout=60)
    assert started.returncode == 0
    (shown,) = [output for output in outputs if output.output_type == "display_data"]
    assert shown.data["text/plain"].startswith("finished, ") and "<img" in shown.data["text/html"]
    assert updates >= 3
    (told,) = [output.text for output in outputs if output.output_type == "stream"]
    assert "completed" in told
