"""Equal scores are ordered by one rule, wherever cells are ranked."""

import itertools
import re
from pathlib import Path

import pytest

from popnas.cells import Cell, SearchSpace
from popnas.evaluation import Evaluation
from popnas.ranking import best, ranked
from popnas.report.confirmed import confirmed_cells
from popnas.report.run_data import RunData
from popnas.report.sections.front import best_cells
from popnas.runs import Event, replay
from popnas.runs.front import trained_front
from popnas.strategy import ProgressiveSearch, StrategySettings
from popnas.workflows.searching.finish import cells_to_confirm

SPACE = SearchSpace(["identity", "3x3 conv"], 2, 2)
CELLS = [cell.key for cell in SPACE.decode(SPACE.new_blocks(1)[:, None])]
CANONICAL = sorted(CELLS, key=lambda text: Cell.parse(text).sort_key)


def evaluation(cell: str, index: int, score: float) -> Evaluation:
    return Evaluation(
        cell,
        1,
        index,
        False,
        seed=1,
        metrics={"accuracy": score},
        score=score,
        training_seconds=1.0,
        params=1,
    )


def state(evaluations, confirmed=()):
    events = [Event(seq, "evaluation", item.content(), {}) for seq, item in enumerate(evaluations, 1)]
    for cell in confirmed:
        content = {"cell": cell, "repetition": 1, "score": 0.5}
        events.append(Event(len(events) + 1, "confirmation", content, {}))
    return replay(events)


@pytest.fixture(params=[1, -1], ids=["in canonical order", "against it"])
def tied(request):
    """All cells of one block with the same score but one worse, proposed in or against canonical order."""
    cells = CANONICAL[:: request.param]
    worst = CANONICAL[0]
    return [evaluation(cell, index, 0.4 if cell == worst else 0.5) for index, cell in enumerate(cells)]


EXPECTED = [*CANONICAL[1:], CANONICAL[0]]


def test_everybody_ranks_alike(tied):
    found = state(tied)
    assert [item.cell for item in ranked(tied)] == EXPECTED
    assert [item.cell for item in found.ranked] == EXPECTED
    assert found.best == best(tied) == found.ranked[0]
    assert [item.cell for item in trained_front(found, ["score"])] == EXPECTED[:1]
    assert [item.cell for item in cells_to_confirm(found)] == EXPECTED[:5]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_strategy_ranks_alike_in_whatever_order_results_come(order):
    evaluations = [evaluation(cell, index, 0.5) for index, cell in enumerate(CANONICAL[:3])]
    strategy = ProgressiveSearch(SPACE, StrategySettings(max_children=1))
    for place in order:
        strategy.record(evaluations[place])
    assert strategy.best() == state(evaluations).best == evaluations[0]


def test_the_report_ranks_alike(tied):
    confirmed = [CANONICAL[3], CANONICAL[0], CANONICAL[1]]
    run = RunData(Path("run"), state(tied, confirmed))
    assert [item.evaluation.cell for item in confirmed_cells(run)] == [
        CANONICAL[1],
        CANONICAL[3],
        CANONICAL[0],
    ]
    drawn = re.findall(r"[0-9]\. ([0-9.]+)<", best_cells(run))
    assert drawn == sorted(drawn, reverse=True) and len(drawn) == 6


def test_nothing_is_the_best_of_nothing():
    failed = Evaluation(CELLS[0], 1, 0, False, seed=1, error="x", error_kind="nan")
    assert best([]) is best([failed]) is None
