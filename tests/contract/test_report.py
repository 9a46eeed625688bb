"""Every registered figure, and the whole report, from every kind of run."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import is_dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from popnas import report
from popnas.report.figures import FIGURES, ordered
from popnas.report.run_data import RunData
from popnas.runs import RunFolder

KINDS: dict[str, dict[str, Any]] = {
    "tiny": {"blocks": 1, "operators": ["identity"]},
    "two objectives, confirmed": {"has_confirmations": True, "blocks": 2},
    "three objectives": {"objectives": ("time", "params"), "blocks": 2},
    "four objectives": {"objectives": ("time", "inference_time", "flops"), "blocks": 2},
    "some failed": {"failures": "some", "blocks": 2},
    "everything failed": {"failures": "all"},
    "no exploration": {"num_exploration": 0, "blocks": 2},
    "PNAS": {"is_pnas": True, "blocks": 2},
    "several outputs": {"num_heads": 3, "blocks": 2},
    "nothing but the empty cell": {"last_step": 0},
    "one step only": {"last_step": 1},
    "killed half-way": {"last_step": 2},
    "strange names": {"blocks": 2, "operators": ["$x_1 <b> conv", "a & b", "identity"]},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    path = Path(__file__).parents[1] / "unit" / "report" / "synthetic_run.py"
    spec = importlib.util.spec_from_file_location("synthetic_run", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = tmp_path_factory.mktemp("runs")
    return {
        kind: module.SyntheticRun(root / f"run{number}", num_candidates=200, **options).folder
        for number, (kind, options) in enumerate(KINDS.items())
    }


@pytest.fixture(scope="module")
def data(runs: dict[str, RunFolder]) -> dict[str, RunData]:
    return {kind: RunData.of(folder, folder.state()) for kind, folder in runs.items()}


def is_cut_off(figure: Figure) -> bool:
    """Whether the title of a figure is wider than it."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    return any(text.get_window_extent(renderer).x1 > figure.bbox.x1 for text in figure.texts)


@pytest.mark.parametrize("name", FIGURES.names())
def test_a_figure_paints_from_every_run_it_applies_to(name: str, data: dict[str, RunData]) -> None:
    plot = FIGURES.get(name)
    applies = set()
    for kind, run in data.items():
        info = plot.compute(run)
        if info is None:
            continue
        applies.add(kind)
        assert is_dataclass(info) or all(is_dataclass(item) for item in info)
        figure = plot.figure(info)
        assert figure.axes
        assert any(axes.has_data() for axes in figure.axes)
        assert not is_cut_off(figure)
        assert plot.table is not None
        header, rows = plot.table(info)
        assert rows and all(len(row) == len(header) for row in rows)
    assert applies, "no kind of run shows this figure: it is not tested"
    assert "everything failed" not in applies or name == "time_spent"


@pytest.mark.parametrize("name", FIGURES.names())
def test_a_figure_says_what_it_shows(name: str) -> None:
    plot = FIGURES.get(name)
    assert plot.section and plot.caption.endswith(".") and FIGURES.description(name)


def test_the_order_of_the_report_is_total() -> None:
    assert len({plot.order for _, plot in ordered()}) == len(FIGURES.names())


class _Page(HTMLParser):
    """Checks that tags close in order, and gathers what the page would load."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})
    DRAWN = frozenset({"rect", "path", "polygon"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.images = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.images += tag == "img"
        self.loads += [value for key, value in found.items() if key in ("src", "href", "srcset") and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.DRAWN, tag

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


# The others differ in nothing that the page itself would show differently.
QUICK = {
    "two objectives, confirmed",
    "everything failed",
    "nothing but the empty cell",
    "strange names",
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in QUICK else pytest.mark.slow) for kind in KINDS]
)
def test_every_run_has_a_report(kind: str, runs: dict[str, RunFolder]) -> None:
    folder = runs[kind]
    report.write(folder, folder.state())
    text = folder.report_html.read_text()
    page = _Page(text)
    assert page.open == []
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in page.loads)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    pictures = list(folder.plots.glob("*.png")) if folder.plots.exists() else []
    assert page.images == len(pictures)
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert all(len(picture.with_suffix(".csv").read_text().splitlines()) > 1 for picture in pictures)
    assert "<b>" not in text, "a name from outside came into the page unescaped"
    if kind == "everything failed":
        assert "every candidate so far failed" in text and "the loss &lt;b&gt;is" in text
    elif kind == "nothing but the empty cell":
        assert "No cell has been trained yet" in text
    else:
        best = folder.state().best
        assert best is not None and f"{best.score:.4f}" in text
