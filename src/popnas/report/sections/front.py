"""The Pareto front as a table with the commands that train its points, the best cells drawn, what to do
next.
"""

from __future__ import annotations

from collections.abc import Iterator

from popnas.command_lines import as_typed
from popnas.evaluation import Evaluation
from popnas.ranking import ranked
from popnas.report import confirmed, markup
from popnas.report.run_data import RunData
from popnas.report.sections._cells import cell_svg
from popnas.report.sections._inputs import how_to_make
from popnas.runs.front import has_networks, train_command, trained_front

_NUM_DRAWN = 6
_BESIDE = ("--name", "more")


def front_table(run: RunData) -> str:
    """Every point of the trained front, best score first."""
    points = trained_front(run.state)
    if not points:
        return ""
    titles = " and ".join(item.title for item in run.objectives)
    words = "1 cell is" if len(points) == 1 else f"{len(points)} cells are"
    rows = [[*_figures(item), *_others(run, item), _trained_by(run, item)] for item in points]
    header = [
        "score",
        "blocks",
        "params",
        "FLOPs",
        "training",
        "inference",
        *(row.title for row in run.other_objectives),
        "cell, and the command that trains it" if has_networks(run.path, run.config) else "cell",
    ]
    return (
        f"<p>Of all trained cells, {words} not beaten by another one in {markup.text(titles)} together. A "
        "click on a heading sorts; a click on a command selects "
        f"it.</p>{markup.table(header, rows, classes='front')}"
    )


def _figures(item: Evaluation) -> list[markup.Value]:
    return [
        markup.score(item.score),
        markup.count(item.step),
        markup.count(item.params),
        markup.large(item.flops),
        markup.seconds(item.training_seconds),
        markup.seconds(item.inference_seconds),
    ]


def _others(run: RunData, item: Evaluation) -> list[markup.Value]:
    return [markup.in_unit(row.value(item), row.unit) for row in run.other_objectives]


def _trained_by(run: RunData, item: Evaluation) -> markup.Value:
    line = train_command(run.path, run.config, item.cell)
    return markup.Value(f"{markup.code(item.cell)}{markup.command(line) if line else ''}", item.cell)


def best_cells(run: RunData) -> str:
    """The cells of the best scores, drawn."""
    cells = ranked(run.cells)[:_NUM_DRAWN]
    on_front = {item.cell for item in trained_front(run.state)}
    cards = []
    for place, item in enumerate(cells):
        note = " · on the front" if item.cell in on_front else ""
        explored = " · exploration" if item.is_exploration else ""
        cards.append(
            f'<figure class="card">{cell_svg(item.cell, run)}<figcaption><strong>{place + 1}. '
            f"{markup.score(item.score).html}</strong>{note}{explored}<br>{markup.count(item.params).html} "
            f"parameters, training {markup.seconds(item.training_seconds).html}</figcaption></figure>"
        )
    return f'<div class="cards">{"".join(cards)}</div>' if cards else ""


def _trainings(run: RunData, best: Evaluation) -> Iterator[tuple[str, str]]:
    """What the best cells are trained with, if they are networks."""
    # What is there already was asked for otherwise: another one stands beside it.
    beside_final = _BESIDE if run.final_training.exists() else ()
    line = train_command(run.path, run.config, best.cell, *beside_final)
    if line is None:
        return
    beside = _BESIDE if (run.path / "model_selection").exists() else ()
    yield "Compare the best cells in larger networks:", as_typed("select", "-p", run.path, *beside)
    yield "Train the best cell to the end:", line
    better = confirmed.better_than_best(run)
    if better is not None:
        words = f"Or train the cell of the best confirmed mean ({better.cell.summary}, {better.words}):"
        yield words, train_command(run.path, run.config, better.cell.evaluation.cell, *beside_final) or line


def _is_better(run: RunData) -> str:
    if run.final_network is None:
        return "final training makes it better."
    place = markup.code(run.final_training / "deploy")
    return f"the network of the final training, {place}, was trained to the end."


def _goes_on(run: RunData) -> Iterator[tuple[str, str]]:
    """How what is not finished goes on."""
    if run.has_open_job:
        yield "Go on with the whole job where it stopped:", as_typed("e2e", "-r", run.path)
    elif run.state.finish_reason == "max_hours":
        words = "Go on with the search, which its time limit ended, without one (or with a longer one):"
        yield words, as_typed("search", "-r", run.path, "--set", "others.max_hours=null")
    elif not run.state.is_finished:
        yield "Go on with the search where it stopped:", as_typed("search", "-r", run.path)


def next_steps(run: RunData) -> str:
    """What one can do now."""
    steps = list(_goes_on(run))
    best = run.state.best
    if best is not None:
        steps.append(
            (
                "Take the best cell of the front that keeps to your limits:",
                as_typed("pick", run.path, "--max-params", "N"),
            )
        )
        steps += _trainings(run, best)
        draw = as_typed("draw", "--spec", best.cell, "-o", "cell.pdf")
        steps.append(("Draw a cell into a file:", draw))
    again = as_typed("report", run.path, "--pdf")
    steps.append(("Write this report again, with the plots as PDF too:", again))
    items = "".join(f"<li>{markup.text(words)} {markup.command(line)}</li>" for words, line in steps)
    model = run.path / "best_model" / "model.onnx"
    if best is not None and model.exists():
        items += (
            f"<li>The best cell's network, as the search trained it, is ready to use: {markup.code(model)} "
            f"(ONNX). It was trained briefly: {_is_better(run)}"
            f"{how_to_make(run.best_model)}</li>"
        )
    place = "The commands are for the folder in which this page was written and the popnas that wrote it."
    return f"<ul class=steps>{items}</ul><p class=note>{place}</p>"
