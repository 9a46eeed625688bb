from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from popnas.evaluation import Evaluation
from popnas.report import markup
from popnas.report.confirmed import better_mean, confirmed_cells, verdicts
from popnas.report.run_data import RunData
from popnas.report.sections import front, result
from popnas.runs import Event, replay
from popnas.runs.front import train_command

SINGLE, GROWN = "[(-1, identity, -1, identity)]", "[(-1, identity, -1, identity);(0, identity, 0, identity)]"
OTHER = "[(-1, 3x3 conv, -1, identity)]"


def run(
    grown: list[float | None], single: list[float | None], *, seconds: tuple[float, float] = (2.0, 1.0)
) -> RunData:
    """Two cells and their confirmed scores (None: that repetition failed)."""
    events: list[Event] = []

    def append(event: str, content: dict[str, Any]) -> None:
        events.append(Event(len(events) + 1, event, content, {}))

    for cell, step, took in ((SINGLE, 1, seconds[1]), (GROWN, 2, seconds[0])):
        evaluation = Evaluation(
            cell, step, 0, False, 1, {}, 0.9 + step / 100, took, 0.001, params=int(1000 * took), flops=None
        )
        append("evaluation", evaluation.content())
    for cell, scores in ((SINGLE, single), (GROWN, grown)):
        for repetition, score in enumerate(scores, 1):
            kind = "nan" if score is None else None
            append(
                "confirmation", {"cell": cell, "repetition": repetition, "score": score, "error_kind": kind}
            )
    return RunData(Path("run"), replay(events))


def lucky(grown: list[float], single: list[float], other: list[float | None]) -> RunData:
    """The best score of the search is a single-block cell's; `other` is another single-block cell."""
    events: list[Event] = []
    cells = ((SINGLE, 1, 0.9889, single), (GROWN, 2, 0.98, grown), (OTHER, 1, 0.97, other))
    for cell, step, score, _ in cells:
        found = Evaluation(cell, step, 0, False, 1, {}, score, 1.0, 0.001, params=1000, flops=None)
        events.append(Event(len(events) + 1, "evaluation", found.content(), {}))
    for cell, _, _, scores in cells:
        for repetition, value in enumerate(scores, 1):
            kind = "nan" if value is None else None
            content = {"cell": cell, "repetition": repetition, "score": value, "error_kind": kind}
            events.append(Event(len(events) + 1, "confirmation", content, {}))
    return RunData(Path("run"), replay(events))


def outcome(*args: Any, **options: Any) -> str:
    (verdict,) = verdicts(confirmed_cells(run(*args, **options)))
    return verdict.outcome


def test_better_needs_more_than_noise() -> None:
    assert outcome([0.95, 0.96, 0.955], [0.90, 0.91, 0.905]) == "better"
    assert outcome([0.90, 0.99, 0.93], [0.90, 0.95, 0.85]) == "no difference"
    assert outcome([0.90, 0.91, 0.905], [0.95, 0.96, 0.955]) == "worse"


def test_as_good_and_cheaper() -> None:
    scores = [0.90, 0.91, 0.905]
    assert outcome(scores, scores, seconds=(0.5, 1.0)) == "cheaper"
    assert outcome(scores, scores, seconds=(0.99, 1.0)) == "no difference"


def test_far_below_is_not_as_good_however_much_noise_there_is() -> None:
    assert outcome([0.70, 0.90, 0.80], [0.85, 1.0, 0.99], seconds=(0.5, 1.0)) == "no difference"


def test_one_repetition_each_says_nothing() -> None:
    assert outcome([0.99], [0.5]) == "unknown"
    assert outcome([0.99, None, None], [0.5, None]) == "unknown"


def test_without_a_single_block_cell_there_is_no_verdict() -> None:
    assert verdicts(confirmed_cells(run([0.9, 0.9], []))) == []
    assert verdicts(confirmed_cells(run([0.9, 0.9], [None, None]))) == []


@pytest.mark.parametrize(
    ("grown", "words"),
    [
        ([0.95, 0.96, 0.955], "beats the one single-block cell that was confirmed beyond seed noise"),
        ([0.90, 0.911, 0.905], "No difference beyond seed noise"),
        ([0.85, 0.86, 0.855], "worse than the one single-block cell that was confirmed, beyond seed noise"),
    ],
)
def test_the_page_says_so(grown: list[float | None], words: str) -> None:
    text = result.render(run(grown, [0.90, 0.91, 0.905]))
    assert words in text
    assert f"{sum(value or 0 for value in grown) / 3:.4f}" in text


def test_the_page_says_that_nothing_was_confirmed() -> None:
    assert "one seed" in result.render(run([], []))


def test_a_better_confirmed_mean_than_the_best_cells_is_told_with_its_command() -> None:
    run = lucky([0.984, 0.985, 0.983], [0.952, 0.953, 0.951], [])
    assert run.state.best is not None and run.state.best.cell == SINGLE
    line = markup.text(train_command(run.path, run.config, GROWN))
    page = result.render(run)
    assert "another cell has the better mean" in page and line in page
    assert "0.9840" in page and "above the best cell&#x27;s 0.9520 beyond seed noise" in page
    steps = front.next_steps(run)
    assert line in steps and steps.index(markup.text(train_command(run.path, run.config, SINGLE))) < (
        steps.index(line)
    )


def test_a_better_mean_within_noise_is_told_as_that() -> None:
    found = better_mean(confirmed_cells(lucky([0.95, 0.99, 0.93], [0.95, 0.98, 0.92], [])), SINGLE)
    assert found is not None and found.words.endswith("but within seed noise")
    alone = better_mean(confirmed_cells(lucky([0.99], [0.95], [])), SINGLE)
    assert alone is not None and "too few repetitions" in alone.words


def test_the_best_mean_of_the_best_cell_is_no_news() -> None:
    run = lucky([0.90, 0.91, 0.905], [0.95, 0.96, 0.955], [])
    assert better_mean(confirmed_cells(run), SINGLE) is None
    assert "better mean" not in result.render(run) and "confirmed mean" not in front.next_steps(run)


def test_a_best_cell_whose_repetitions_failed_has_no_mean_to_be_compared() -> None:
    run = lucky([0.90, 0.91, 0.905], [], [None, None])
    found = better_mean(confirmed_cells(run), SINGLE)
    assert found is not None and (found.cell.evaluation.cell, found.best) == (GROWN, None)
    assert "the best cell itself has none" in result.render(run)


def test_growing_paid_only_against_every_single_block_cell_that_was_confirmed() -> None:
    grown, unlucky = [0.984, 0.985, 0.983], [0.952, 0.953, 0.951]
    assert "Growing paid" in result.render(lucky(grown, unlucky, []))
    assert "Growing paid" not in result.render(lucky(grown, unlucky, [0.985, 0.984, 0.986]))
    page = result.render(lucky(grown, unlucky, [0.960, 0.961, 0.959]))
    assert "beats the best of the 2 single-block cells that were confirmed" in page
    assert f"The grown cell of the best score: {markup.code(GROWN)}" in page
    assert "0.9600" in page
