from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from popnas.evaluation import Evaluation
from popnas.report.confirmed import confirmed_cells, verdicts
from popnas.report.run_data import RunData
from popnas.report.sections import result
from popnas.runs import Event, replay

SINGLE, GROWN = "[(-1, identity, -1, identity)]", "[(-1, identity, -1, identity);(0, identity, 0, identity)]"


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
        ([0.95, 0.96, 0.955], "beats the best single-block cell beyond seed noise"),
        ([0.90, 0.911, 0.905], "No difference beyond seed noise"),
        ([0.85, 0.86, 0.855], "growing did not pay"),
    ],
)
def test_the_page_says_so(grown: list[float | None], words: str) -> None:
    text = result.render(run(grown, [0.90, 0.91, 0.905]))
    assert words in text
    assert f"{sum(value or 0 for value in grown) / 3:.4f}" in text


def test_the_page_says_that_nothing_was_confirmed() -> None:
    assert "one seed" in result.render(run([], []))
