"""The slides of what came after the search, and of the papers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from matplotlib.figure import Figure

from popnas.export.model_values import ModelDescription
from popnas.printable import shortened
from popnas.report import canvas, markup
from popnas.report.run_data import RunData
from popnas.report.sections import references, selected
from popnas.report.slides.page import LEFT, WIDTH, Frame, Grid, blank, draw, say, table, tiles

_MOST_ROWS = 8
_LONGEST = 110
"""Letters of a text that a table breaks into lines."""

_PAPERS = (
    "A. Falanti, E. Lomurno, D. Ardagna, M. Matteucci: POPNASv3: A Pareto-Optimal Neural Architecture Search "
    "Solution for Image and Time Series Classification. Applied Soft Computing, 2023. arXiv:2212.06735",
    "A. Falanti, E. Lomurno, S. Samele, D. Ardagna, M. Matteucci: POPNASv2: An Efficient Multi-Objective "
    "Neural Architecture Search Technique. IJCNN 2022. arXiv:2210.02959",
    "E. Lomurno, S. Samele, M. Matteucci, D. Ardagna: Pareto-Optimal Progressive Neural Architecture Search. "
    "GECCO 2021 Companion. doi:10.1145/3449726.3463146",
    "C. Liu et al.: Progressive Neural Architecture Search. ECCV 2018. arXiv:1712.00559",
)


def selection(run: RunData) -> Iterator[Figure]:
    """The best networks of the model selection."""
    found = selected.read(run.path / "model_selection")
    if found is None:
        return
    models = sorted(found.models, key=lambda item: -(item.score or 0.0))[:_MOST_ROWS]
    rows = [
        [
            shortened(item.folder, 34),
            _with_half(item.score, item.half),
            f"{item.params:,}",
            "–" if item.training_seconds is None else markup.duration(item.training_seconds),
        ]
        for item in models
    ]
    header = ["network", f"validation {found.score}", "params", "training"]
    more = len(found.models) - len(models)
    title = "Model selection" + (f" (the best {len(models)} of {len(found.models)})" if more else "")
    yield table(title, Grid(header, rows, (0.4, 0.26, 0.18, 0.16)))


def known(run: RunData) -> Iterator[Figure]:
    """The found network beside the known ones."""
    compared = references.read(run.path / "model_selection")
    if compared is None:
        return
    rows = [
        [
            shortened(item.title, _LONGEST),
            _with_half(item.score, item.half),
            f"{item.params:,}",
            shortened(item.source or "this search", _LONGEST),
        ]
        for item in (compared.found, *compared.references)
    ]
    header = ["network", f"validation {compared.score}", "params", "from"]
    figure = table("Against known networks", Grid(header, rows, (0.26, 0.24, 0.1, 0.4)))
    say(figure, textwrap.fill(compared.verdict, 100), 4.6, size=11, weight="bold")
    yield figure


def final(run: RunData) -> Iterator[Figure]:
    """What is delivered."""
    model = run.final_network
    if model is None or model.deployment is None:
        return
    figure, measured = blank("Final network"), model.deployment.measured
    facts = [
        (f"accuracy, {measured.num_samples:,} {measured.split} samples", f"{measured.accuracy:.4f}"),
        ("parameters", f"{model.params:,}"),
        ("networks" if model.members else "epochs", _number_of(model)),
    ]
    tiles(figure, facts, 1.3)
    if model.members is None and model.cell:
        draw(figure, run, model.cell, Frame(LEFT, 0.75, WIDTH - 2 * LEFT, 2.7))
        say(figure, shortened(model.cell, 130), 5.0, size=7.5, color=canvas.MUTED)
    yield figure


def _number_of(model: ModelDescription) -> str:
    if model.members is not None:
        return str(len(model.members))
    return "–" if model.training is None else str(model.training.num_epochs)


def literature(run: RunData) -> Iterator[Figure]:
    """The papers."""
    figure, y = blank("References"), 1.15
    for paper in _PAPERS:
        text = textwrap.fill(paper, 100)
        say(figure, text, y, size=11)
        y += 0.24 * (text.count("\n") + 1) + 0.2
    yield figure


def _with_half(score: float | None, half: float | None) -> str:
    if score is None:
        return "–"
    return f"{score:.4f}" if half is None else f"{score:.4f} ± {half:.4f}"
