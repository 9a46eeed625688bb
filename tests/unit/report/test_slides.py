"""Slides: pages of one shape, as many as the run has matter for, nothing cut off or missing."""

import re

import pytest

from popnas.cli.main import run
from popnas.report import canvas, slides
from popnas.report.run_data import RunData
from popnas.report.sections.references import AgainstReferences, ComparedNetwork
from popnas.report.sections.selected import ScoredModel, SelectionScores
from popnas.report.views import Views

CELL = "[(-1, identity, -1, identity)]"


def data(folder):
    return RunData.of(folder, folder.state())


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_a_whole_run_has_slides_of_everything(make_run, tmp_path):
    folder = make_run("a $ run", blocks=3, has_confirmations=True, num_candidates=100)
    path, views = tmp_path / "slides.pdf", Views()
    number = slides.write(data(folder), path, views)
    assert views.missing == []
    pdf = path.read_bytes()
    assert pdf.startswith(b"%PDF")
    boxes = [
        [float(value) for value in found.split()] for found in re.findall(rb"/MediaBox \[ ([\d. ]+) \]", pdf)
    ]
    assert len(boxes) == number
    assert all(box == [0, 0, 720, 405] for box in boxes)  # points
    slides.write(data(folder), tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == pdf


@pytest.mark.parametrize("kind", [{"blocks": 5, "num_candidates": 400}, {"last_step": 0}, {"is_pnas": True}])
def test_panels_of_no_page_overlap_or_leave_it(make_run, kind):
    run = data(make_run(has_confirmations=True, **kind))
    with canvas.look():
        for _, made in slides.SLIDES:
            for figure in made(run):
                boxes = [axes.get_position() for axes in figure.axes]
                assert all(0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 0.93 for box in boxes)
                pairs = [(one, two) for one in boxes for two in boxes if one is not two]
                assert all(one.bounds == two.bounds or not one.overlaps(two) for one, two in pairs)


def test_there_is_a_front_per_step_and_it_grows(make_run):
    with canvas.look():
        figures = [*slides.search.fronts(data(make_run(blocks=3, num_candidates=100)))]
    assert [texts(figure)[0].split(":")[0] for figure in figures] == ["Step 1", "Step 2", "Step 3"]
    networks = [int(texts(figure)[texts(figure).index("networks so far") - 1]) for figure in figures]
    assert networks == sorted(set(networks))


SOURCE = "He et al. 2016 (ResNet): two convolutions and the input added, as many as fit"


def test_post_search_stages_are_there_where_they_were_made(make_run):
    folder = make_run(blocks=1)
    with canvas.look():
        assert [*slides.stages.selection(data(folder))] == [*slides.stages.known(data(folder))] == []
        place = folder.path / "model_selection"
        place.mkdir()
        models = [ScoredModel(f"{number}-m2", CELL, 1000, 0.5 + number / 100, 0.01) for number in range(9)]
        SelectionScores("accuracy", "3 seeds", models).write(place)
        found = ComparedNetwork("the found network", "0-m2", CELL, 1000, 0.9)
        known = ComparedNetwork("a residual network", "1-m2", "[]", 1000, 0.8, source=SOURCE)
        AgainstReferences("accuracy", found, [known], True).write(place)
        (selection,) = slides.stages.selection(data(folder))
        (compared,) = slides.stages.known(data(folder))
    assert "Model selection (the best 8 of 9)" in texts(selection) and "0.5800 ± 0.0100" in texts(selection)
    assert SOURCE in [" ".join(text.split()) for text in texts(compared)]
    assert any("beats every known one" in text for text in texts(compared))


@pytest.mark.parametrize("kind", [{"last_step": 0}, {"failures": "all"}, {"is_pnas": True, "blocks": 2}])
def test_runs_without_much_to_show_have_slides_all_the_same(make_run, tmp_path, kind):
    views = Views()
    assert slides.write(data(make_run(num_candidates=50, **kind)), tmp_path / "a.pdf", views) >= 3
    assert views.missing == []


def test_no_heading_is_cut_off(make_run):
    run = data(make_run("a" * 80, blocks=2, has_confirmations=True, num_candidates=100))
    with canvas.look():
        for _, made in slides.SLIDES:
            for figure in made(run):
                renderer = canvas.FigureCanvasAgg(figure).get_renderer()
                for text in figure.texts:
                    assert text.get_window_extent(renderer).x1 <= figure.bbox.x1, text.get_text()


def test_the_command(make_run, tmp_path, capsys):
    folder = make_run(last_step=0)
    assert run(["slides", str(folder.path)]) == 0
    assert (folder.path / "slides.pdf").is_file() and "slides" in capsys.readouterr().out
    assert run(["slides", str(tmp_path / "none")]) == 2
    assert run(["slides", str(folder.path), "-o", str(tmp_path / "none" / "a.pdf")]) in (0, 2)
