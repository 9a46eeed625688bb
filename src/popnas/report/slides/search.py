"""The slides of the search itself."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from importlib import metadata

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from popnas import pareto
from popnas.evaluation import Evaluation
from popnas.printable import counted
from popnas.records import part
from popnas.report import canvas, confirmed
from popnas.report.figures import FIGURES
from popnas.report.figures.predicted_real import PredictedReal
from popnas.report.fronts import Fronts, compute_fronts, label_axis
from popnas.report.run_data import RunData
from popnas.report.slides.page import (
    HEIGHT,
    LEFT,
    Frame,
    Grid,
    blank,
    draw,
    of_report,
    on_page,
    say,
    table,
    tiles,
)
from popnas.runs.front import trained_front

_MOST_CELLS, _MOST_STEPS = 6, 3
_OF_MACHINE = ("python", "torch", "popnas")


def title(run: RunData) -> Iterator[Figure]:
    """What was searched, and the figures of it that one remembers."""
    figure = blank(None)
    best, evaluations = run.state.best, run.state.evaluations
    name = canvas.label(run.name, 64)
    say(figure, name, 1.45, size=min(30.0, 900 / len(name)), weight="bold")
    say(figure, "Pareto-optimal progressive neural architecture search", 2.1, size=15)
    what = f"{run.data_name or 'unknown data'}, {(run.task or '').replace('_', ' ')}"
    say(figure, what, 2.5, size=13, color=canvas.MUTED)
    started = str(run.sessions[0].get("time", ""))[:10] if run.sessions else ""
    made = f"{started}   popnas {metadata.version('popnas')}"
    say(figure, made, 2.85, size=11, color=canvas.MUTED)
    facts = [("networks trained", f"{len(evaluations):,}")]
    if best is not None and best.score is not None:
        facts += [(f"best validation {run.score_name}", f"{best.score:.4f}")]
        facts += [("its parameters", "–" if best.params is None else f"{best.params:,}")]
        facts += [("networks on the front", f"{len(trained_front(run.state)):,}")]
    tiles(figure, facts, 3.7)
    yield figure


def setting(run: RunData) -> Iterator[Figure]:
    """The settings that a listener asks for."""

    def of(section: str, *names: str) -> str:
        found = part(run.config, section)
        values = [(name, found.get(name)) for name in names]
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values if value is not None)

    machine = run.sessions[-1] if run.sessions else {}
    rows = [
        ("data", f"{run.data_name or 'unknown'}, {(run.task or '').replace('_', ' ')}"),
        ("objectives", ", ".join(item.title for item in run.objectives)),
        ("operators", ", ".join(run.operators)),
        ("cells", of("search_space", "blocks", "lookback_depth")),
        ("selection", of("search_strategy", "max_children", "max_exploration_children")),
        ("network", of("architecture_hyperparameters", "filters", "motifs", "normal_cells_per_motif")),
        ("training", of("training_hyperparameters", "epochs", "learning_rate")),
        ("machine", ", ".join(f"{name} {value}" for name, value in machine.items() if name in _OF_MACHINE)),
    ]
    yield table("Setting", Grid(["", ""], [row for row in rows if row[1]], (0.14, 0.86)))


def fronts(run: RunData) -> Iterator[Figure]:
    """A slide per step: the cells so far and their front, over the first two objectives."""
    info = compute_fronts(run)
    if info is None:
        return
    for step in sorted(set(info.steps.tolist())):
        num_new = int((info.steps == step).sum())
        cells = counted(num_new, "cell")
        figure = blank(f"Step {step}: {cells} of {counted(int(step), 'block')}")
        axes = figure.add_axes((0.1, 0.16, 0.56, 0.66))
        num_on_front = _paint_front(axes, info, step)
        so_far = info.values[info.steps <= step, 0]
        facts = [
            (f"best {run.score_name} so far", f"{so_far.max():.4f}"),
            ("networks so far", f"{len(so_far):,}"),
            ("of them on the front", f"{num_on_front:,}"),
        ]
        for place, fact in enumerate(facts):
            tiles(figure, [fact], 1.25 + 1.15 * place, left=7.2)
        yield figure


def _paint_front(axes: Axes, info: Fronts, step: int) -> int:
    """Returns how many cells of the steps until then are on their front, by all objectives."""
    until = info.steps <= step
    values = info.values[until]
    is_on_front = pareto.front(values, [item.is_maximized for item in info.dimensions])
    found = np.flatnonzero(is_on_front)
    is_new = info.steps[until] == step
    x, y = values[:, 1], values[:, 0]
    axes.plot(x[~is_new], y[~is_new], "o", color="#b6bcc6", ms=4.5, mew=0, label="earlier steps")
    axes.plot(x[is_new], y[is_new], "o", color=canvas.BLUE, ms=6, mew=0, label=f"step {step}")
    order = found[np.argsort(x[found], kind="stable")]
    if len(info.dimensions) == 2:
        axes.step(x[order], y[order], where="post", color=canvas.INK, lw=1.3)
    axes.plot(x[order], y[order], "o", mfc="none", mec=canvas.VERMILION, ms=9, mew=1.5, label="front")
    # All steps have one scale, so that the front is seen to move.
    for values_N, limit in ((info.values[:, 1], axes.set_xlim), (info.values[:, 0], axes.set_ylim)):
        margin = 0.06 * float(np.ptp(values_N)) or 0.05
        limit(values_N.min() - margin, values_N.max() + margin)
    label_axis(axes.xaxis, info.dimensions[1])
    label_axis(axes.yaxis, info.dimensions[0])
    canvas.legend(axes, loc="lower right", handletextpad=0.3, fontsize=10)
    return len(found)


def cells(run: RunData) -> Iterator[Figure]:
    """The best cells, two a slide."""
    best = [item for item in run.state.ranked if item.step > 0][:_MOST_CELLS]
    for first in range(0, len(best), 2):
        ranks = range(first, min(first + 2, len(best)))
        places = " and ".join(str(rank + 1) for rank in ranks)
        figure = blank(f"Best cell{'s' if len(ranks) > 1 else ''}: {places}")
        for column, rank in enumerate(ranks):
            _draw_ranked(figure, run, best[rank], rank + 1, left=LEFT + 4.55 * column)
        yield figure


def _draw_ranked(figure: Figure, run: RunData, item: Evaluation, rank: int, left: float) -> None:
    draw(figure, run, item.cell, Frame(left, HEIGHT - 4.35, 4.3, 3.35))
    params = "" if item.params is None else f", {item.params:,} parameters"
    say(figure, f"{rank}. {run.score_name} {item.score:.4f}{params}", 4.6, left=left, size=11, weight="bold")
    say(figure, textwrap.fill(item.cell, 62), 4.78, left=left, size=7.5, color=canvas.MUTED)


def confirmation(run: RunData) -> Iterator[Figure]:
    """The best cells with other seeds, and whether growing paid."""
    repeated = confirmed.confirmed_cells(run)
    for figure in of_report("confirmations", run):
        for verdict in confirmed.verdicts(repeated)[:1]:
            words = f"{verdict.outcome}, difference {verdict.difference}"
            say(figure, f"Best grown cell against one block: {words}", 4.42, size=11)
        yield figure


def predictors(run: RunData) -> Iterator[Figure]:
    """A slide per objective: the last steps, which were predicted from the most cells."""
    plot = FIGURES.get("predicted_real")
    found = plot.compute(run)
    comparisons = [] if found is None else found.comparisons
    for objective in dict.fromkeys(item.objective for item in comparisons):
        own = [item for item in comparisons if item.objective == objective][-_MOST_STEPS:]
        yield on_page(plot, PredictedReal(own), f"Predicted against real: {own[0].title}")
