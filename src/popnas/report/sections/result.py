"""What the search found: the best cell, how sure that is, and whether growing cells paid."""

from __future__ import annotations

from popnas.errors import PopnasError
from popnas.evaluation import Evaluation
from popnas.printable import counted
from popnas.report import confirmed, markup
from popnas.report.confirmed import ConfirmedCell, Verdict
from popnas.report.run_data import RunData
from popnas.report.sections._cells import cell_svg
from popnas.report.statistics import Interval
from popnas.runs.front import check_constraints, train_command

_ENDS = {
    "completed": "The search is complete.",
    "max_hours": "The search was stopped by its time limit (max_hours); popnas search -r RUN goes on.",
    "no_parents": "The search ended early: no candidate of a step could be trained.",
    "no_candidates": "The search ended early: no expansion is predicted to meet the constraints.",
}


def render(run: RunData) -> str:
    """The first section of the page."""
    best = run.state.best
    if best is None:
        return f"<p>{_status(run)}</p><p class=note>{_nothing(run)}</p>"
    confirmations = confirmed.confirmed_cells(run)
    own = next((cell for cell in confirmations if cell.evaluation.cell == best.cell), None)
    return (
        f"<p>{_status(run)}</p>"
        f'<div class="hero"><div class="drawing">{cell_svg(best.cell, run)}</div><div>'
        f"<h3>The best cell</h3><p>{markup.code(best.cell)}</p>"
        f"{markup.tiles(_figures(run, best, own))}{_verdict(run, confirmations)}</div></div>"
    )


def _status(run: RunData) -> str:
    evaluations = run.state.evaluations
    num_failed = sum(item.is_failed for item in evaluations)
    end = _ENDS.get(
        run.state.finish_reason or "", "The search is not finished; popnas search -r RUN goes on."
    )
    failed = f", {num_failed} of them failed" if num_failed else ""
    steps = sorted(run.state.finished_steps)
    until = f" Finished steps: {', '.join(map(str, steps))}." if not run.state.is_finished and steps else ""
    networks = f"{counted(len(evaluations), 'network')} {'was' if len(evaluations) == 1 else 'were'}"
    return markup.text(f"{end} {networks} trained{failed}.{until}")


def _nothing(run: RunData) -> str:
    if any(item.is_failed for item in run.state.evaluations):
        return "No cell has a result: every candidate so far failed. The reasons stand below."
    try:
        check_constraints(run.state)
    except PopnasError as error:
        return markup.text(error)
    return (
        "No cell has been trained yet, so there is nothing to show. The report is written again at the end."
    )


def _figures(run: RunData, best: Evaluation, own: ConfirmedCell | None) -> list[tuple[str, str]]:
    figures = [(f"validation {run.score_name}", markup.score(best.score).html)]
    if own is not None:
        figures.append((f"mean of {len(own.scores)} other seeds", str(own.summary)))
    return [
        *figures,
        ("blocks", str(best.step)),
        ("parameters", markup.count(best.params).html),
        ("FLOPs of a sample", markup.large(best.flops).html),
        ("training time", markup.seconds(best.training_seconds).html),
        ("inference time of a batch", markup.seconds(best.inference_seconds).html),
        *((row.title, markup.in_unit(row.value(best), row.unit).html) for row in run.other_objectives),
    ]


def _verdict(run: RunData, confirmations: list[ConfirmedCell]) -> str:
    if not confirmations:
        return (
            "<p class=note>This score comes from one seed and is the best of many, so expect a little less. "
            "The search can train its best cells again with other seeds (<code>popnas search "
            "--confirm</code>).</p>"
        )
    found = confirmed.verdicts(confirmations)
    paragraphs = [_won(run), _better_mean(run)]
    if not found:
        return "".join(paragraphs)
    look, grown = "good" if found[0].outcome in _GOOD else "note", found[0].grown.evaluation
    which = "" if grown == run.state.best else f" The grown cell of the best score: {markup.code(grown.cell)}"
    paragraphs.append(f"<p class={look}>{_sentence(found[0])}{which}</p>")
    others = [item for item in found[1:] if item.outcome in _GOOD]
    if found[0].outcome not in _GOOD and others:
        paragraphs.append(
            f"<p class=note>Of the {len(found) - 1} other grown cells that were confirmed, this one did "
            "better (the more cells one looks at, the easier one finds such a cell): "
            f"{markup.code(others[0].grown.evaluation.cell)}. {_sentence(others[0])}</p>"
        )
    return "".join(paragraphs)


def _won(run: RunData) -> str:
    """By what the best cell is the best, where that is not its score alone."""
    won = run.state.winner
    if won is None:
        return ""
    return (
        f"<p class=note>The best cell won by {counted(won.trainings, 'training')} of its own with different "
        f"seeds, its score in the search one of them: it is expected to be worth {won.mean:.4f} ± "
        f"{1.96 * won.deviation:.4f} (95 %).</p>"
    )


def _better_mean(run: RunData) -> str:
    found = confirmed.better_than_best(run)
    if found is None:
        return ""
    line = train_command(run.path, run.config, found.cell.evaluation.cell)
    return (
        "<p class=note>The best cell is the one of the best score in the search, and the best of many noisy "
        f"scores is too good. With other seeds <strong>another cell has the better mean</strong>, "
        f"{found.cell.summary} ({markup.text(found.words)}): {markup.code(found.cell.evaluation.cell)}. "
        "The best of several means is a little too good, too."
        f"{f' To train that one: {markup.command(line)}' if line else ''}</p>"
    )


_GOOD = ("better", "cheaper")
# What was confirmed is all that these may speak of: other single-block cells may be better.
_HEADS = {
    "better": "Growing paid, by the confirmed means: the grown cell beats {single} beyond seed noise.",
    "cheaper": "The grown cell is cheaper than {single}, and no worse beyond seed noise.",
    "no difference": "No difference beyond seed noise between the grown cell and {single}.",
    "worse": "The grown cell is worse than {single}, beyond seed noise.",
    "unknown": "Too few repetitions to tell the grown cell from {single}.",
}


def _sentence(verdict: Verdict) -> str:
    grown, single, gap = verdict.grown.summary, verdict.single.summary, verdict.difference
    means = f"Means over other seeds: grown {grown}, single block {single}"
    between = f"; the difference is {_signed(gap)} (95 % interval)" if gap.half is not None else ""
    saved = ", ".join(f"{100 * share:.0f} % less {words}" for words, share in verdict.savings.items())
    costs = f" The grown cell takes {saved}." if saved else ""
    head = _HEADS[verdict.outcome].format(single=_single(verdict))
    return f"<strong>{head}</strong> {means}{between}.{markup.text(costs)}"


def _single(verdict: Verdict) -> str:
    if verdict.num_singles == 1:
        return "the one single-block cell that was confirmed"
    return f"the best of the {verdict.num_singles} single-block cells that were confirmed"


def _signed(found: Interval) -> str:
    return f"{'+' if found.mean >= 0 else ''}{found}"


def confirmation_table(run: RunData) -> str:
    """Every confirmed cell with its repetitions."""
    cells = confirmed.confirmed_cells(run)
    against = {item.grown.evaluation.cell: item for item in confirmed.verdicts(cells)}
    rows: list[list[markup.Value | str]] = []
    for place, cell in enumerate(cells):
        verdict = against.get(cell.evaluation.cell)
        rows.append(
            [
                markup.count(place + 1),
                markup.count(cell.evaluation.step),
                markup.score(cell.evaluation.score),
                markup.Value(str(cell.summary), cell.summary.mean),
                markup.Value(_each_seed(cell), cell.summary.mean),
                markup.Value(_signed(verdict.difference), verdict.difference.mean) if verdict else "–",
                markup.Value(markup.code(cell.evaluation.cell), cell.evaluation.cell),
            ]
        )
    header = ["#", "blocks", "in the search", "mean, 95 % interval", "each seed", "against one block", "cell"]
    return markup.table(header, rows)


def _each_seed(cell: ConfirmedCell) -> str:
    scores = ", ".join(f"{value:.4f}" for value in cell.scores)
    return scores + (f" ({cell.num_failed} failed)" if cell.num_failed else "")
