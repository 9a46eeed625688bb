"""The Pareto front as a table with the commands that train its points, the best cells drawn, what to do
next.
"""

from __future__ import annotations

import shlex
from importlib.util import find_spec

from popnas.evaluation import Evaluation
from popnas.report import markup
from popnas.report.run_data import RunData
from popnas.report.sections.result import cell_svg
from popnas.runs.front import train_command, trained_front

_NUM_DRAWN = 6


def has_command(name: str) -> bool:
    """Whether this version has that command. Looked up without importing the command line, which stands
    above.
    """
    return find_spec(f"popnas.cli.{name}") is not None


def front_table(run: RunData) -> str:
    """Every point of the trained front, best score first."""
    points = trained_front(run.state)
    if not points:
        return ""
    titles = " and ".join(item.title for item in run.objectives)
    words = "1 cell is" if len(points) == 1 else f"{len(points)} cells are"
    later = "" if has_command("train") else f" {_LATER}"
    rows = [[*_figures(item), _trained_by(run, item)] for item in points]
    header = [
        "score",
        "blocks",
        "params",
        "FLOPs",
        "training",
        "inference",
        "cell, and the command that trains it",
    ]
    return (
        f"<p>Of all trained cells, {words} not beaten by another one in {markup.text(titles)} together. A "
        "click on a heading sorts; a click on a command selects "
        f"it.{later}</p>{markup.table(header, rows, classes='front')}"
    )


_LATER = (
    "<strong>The command <code>popnas train</code> (final training, longer and larger) is not part of this "
    "version yet</strong>; the lines are what it takes."
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


def _trained_by(run: RunData, item: Evaluation) -> markup.Value:
    line = train_command(run.path, run.config, item.cell)
    return markup.Value(f"{markup.code(item.cell)}{markup.command(line)}", item.cell)


def best_cells(run: RunData) -> str:
    """The cells of the best scores, drawn."""
    cells = sorted(run.cells, key=lambda item: -(item.score or 0.0))[:_NUM_DRAWN]
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


def next_steps(run: RunData) -> str:
    """What one can do now, only with commands that this version has."""
    path = shlex.quote(str(run.path))
    steps = []
    if not run.state.is_finished:
        steps.append(("Go on with the search where it stopped:", f"popnas search -r {path}"))
    best = run.state.best
    if best is not None:
        steps.append(
            (
                "Take the best cell of the front that keeps to your limits:",
                f"popnas pick {path} --max-params N",
            )
        )
        if has_command("select"):
            steps.append(("Compare the best cells in larger networks:", f"popnas select -p {path}"))
        if has_command("train"):
            steps.append(("Train the best cell to the end:", train_command(run.path, run.config, best.cell)))
        if has_command("draw"):
            steps.append(("Draw a cell into a file:", f'popnas draw --spec "{best.cell}" -o cell.pdf'))
    steps.append(("Write this report again, with the plots as PDF too:", f"popnas report {path} --pdf"))
    items = "".join(f"<li>{markup.text(words)} {markup.command(line)}</li>" for words, line in steps)
    model = run.path / "best_model" / "model.onnx"
    if best is not None and model.exists():
        items += (
            f"<li>The best cell's network, as the search trained it, is ready to use: {markup.code(model)} "
            "(ONNX; raw values in, probabilities out). It was trained briefly: final training makes it "
            "better.</li>"
        )
    return f"<ul class=steps>{items}</ul>"
