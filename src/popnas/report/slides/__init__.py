"""A run as slides for a talk: a PDF of 16:9 pages, all of it drawn, nothing scaled down from pixels.

`page` has what slides are drawn of; `search` and `stages` the slides themselves. To add one, write a function
there and its line in `SLIDES`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from popnas.report import canvas
from popnas.report.run_data import RunData
from popnas.report.slides import search, stages
from popnas.report.slides.page import foot, of_report
from popnas.report.views import Views
from popnas.storage import write_bytes

SLIDES: tuple[tuple[str, Callable[[RunData], Iterator[Figure]]], ...] = (
    ("title", search.title),
    ("setting", search.setting),
    ("score over time", partial(of_report, "score_over_time")),
    ("scores and times of the steps", partial(of_report, "step_overview")),
    ("front per step", search.fronts),
    ("hypervolume", partial(of_report, "hypervolume")),
    ("best cells", search.cells),
    ("confirmation", search.confirmation),
    ("operators", partial(of_report, "operator_usage")),
    ("predictors", search.predictors),
    ("where the time went", partial(of_report, "time_spent")),
    ("model selection", stages.selection),
    ("known networks", stages.known),
    ("final network", stages.final),
    ("references", stages.literature),
)
"""In the order of a talk; each gives as many pages as the run has matter for."""


def write(run: RunData, path: Path, views: Views | None = None) -> int:
    """Write the slides of a run; returns how many. What does not apply to it is left out, what cannot be
    drawn is missing.

    Raises:
        StorageError: the disk refused.
    """
    views, stream, number = views or Views(), io.BytesIO(), 0
    info = {"Title": f"{run.name}: architecture search", "Creator": "popnas", "CreationDate": None}
    with canvas.look(), PdfPages(stream, metadata=info) as pages:
        for name, slides in SLIDES:
            with views.view(f"the slides '{name}'"):
                for figure in slides(run):
                    number += 1
                    foot(figure, run.name, number)
                    pages.savefig(figure)
    write_bytes(path, stream.getvalue())
    return number
