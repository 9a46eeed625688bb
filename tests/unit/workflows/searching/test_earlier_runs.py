"""A score predictor that also learns how earlier runs ranked their cells."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas.cells import Cell, SearchSpace, bulk
from popnas.errors import ConfigError, UserError
from popnas.evaluators.table import stored
from popnas.predictors import REGISTRY, PredictorContext
from popnas.runs import RunFolder, search_content
from popnas.runs.journal import Journal
from popnas.workflows.searching import finish
from popnas.workflows.searching.search import resume, search
from popnas.workflows.settings import load_config

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))
from made_tables import OPERATORS, made

SPACE = SearchSpace(("identity", "3x3 conv", "5x5 conv", "3x3 dconv"), num_blocks=2, lookback_depth=2)
WORTH = np.array([0.0, 1.0, 0.7, 0.4])


def cells_of(number: int, seed: int) -> np.ndarray:
    ones = SPACE.new_blocks(1)[:, None]
    grown = bulk.expand(ones, SPACE).canonical
    return grown[np.random.default_rng(seed).permutation(len(grown))[:number]]


def scores_of(cells_NB4: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """By operators, and with which ones they stand together."""
    worth_NB2 = WORTH[cells_NB4[:, :, 1::2]]
    rng = np.random.default_rng(seed)
    clean = worth_NB2.mean(axis=(1, 2)) + 0.5 * worth_NB2.prod(axis=2).mean(axis=1)
    return clean / 2 + noise * rng.normal(size=len(cells_NB4))


def fitted(known: np.ndarray, scores: np.ndarray, earlier: Sequence[tuple[np.ndarray, np.ndarray]]) -> Any:
    context = PredictorContext(
        SPACE, lambda cells: np.ones(len(cells), dtype=np.int64), np.zeros(4), earlier=tuple(earlier)
    )
    predictor = REGISTRY.get("trees")(context)
    return predictor, predictor.fit(known, scores, seed=1)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(np.argsort(np.argsort(first)), np.argsort(np.argsort(second)))[0, 1])


def test_few_cells_are_enough_where_an_earlier_run_ranked_alike() -> None:
    known, asked, other = cells_of(12, 1), cells_of(300, 2), cells_of(120, 3)
    scores = scores_of(known, 0.02)
    earlier = (other, 0.3 * scores_of(other, 0.02, 1) + 0.05)  # of other data: as good, on another scale
    alone, _ = fitted(known, scores, [])
    helped, report = fitted(known, scores, [earlier])
    truth = scores_of(asked)
    predicted = helped.predict(asked)
    assert correlation(predicted.mean, truth) > max(correlation(alone.predict(asked).mean, truth) + 0.05, 0.9)
    assert report.hyperparameters["earlier"] == 120 and report.hyperparameters["earlier_weight"] > 0.5
    # As every predictor: by the cell alone, also where rows share their beginnings, and as its table says.
    np.testing.assert_array_equal(helped.predict(asked[::-1]).mean[::-1], predicted.mean)
    np.testing.assert_allclose(helped.predict_table(helped.table(asked)), predicted.mean, rtol=1e-9)


def test_an_earlier_run_that_ranked_the_other_way_is_not_believed() -> None:
    known, asked, other = cells_of(40, 1), cells_of(300, 2), cells_of(120, 3)
    scores = scores_of(known, 0.02)
    alone, _ = fitted(known, scores, [])
    misled, report = fitted(known, scores, [(other, -scores_of(other))])
    assert report.hyperparameters["earlier_weight"] == 0
    np.testing.assert_allclose(misled.predict(asked).mean, alone.predict(asked).mean, atol=1e-9)


# --- searches ---


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(finish, "views", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    stored.write(tmp_path / "table.npz", made(3, 1))
    return {
        "search_space": {"blocks": 3, "lookback_depth": 1, "operators": list(OPERATORS)},
        "search_strategy": {"max_children": 6, "max_exploration_children": 2, "score_share": 0.5},
        "training_hyperparameters": {"epochs": 3},
        "dataset": {"type": "image_classification", "path": "table.npz"},
        "others": {"evaluator": "table", "predictors": {"score": "trees", "time": "sums"}, "trackers": []},
    }


def later(document: dict[str, Any], *runs: str, score: str = "trees", **changes: Any) -> Any:
    predictors = {"score": score, "time": "sums", "earlier_runs": list(runs)}
    return load_config({**document, **changes, "others": {**document["others"], "predictors": predictors}})


def test_what_an_earlier_run_lends_stands_in_the_journal(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = RunFolder(search(load_config(document), name="first").folder).state()
    run = RunFolder(search(later(document, "logs/first"), name="second").folder)
    state = run.state()
    assert state.earlier is not None
    (lent,) = state.earlier
    scores = {item.cell: item.score for item in first.successes if item.step > 0}
    assert lent.run == "first" and dict(zip(lent.cells, lent.scores, strict=True)) == scores
    fit = state.predictions[2, 0].predictors["score"].hyperparameters
    assert fit["earlier"] == len(scores) and fit["earlier_weight"] > 0

    # Interrupted right after that, and later, it ends in the same search, though the earlier run is gone.
    whole, append = run.journal.events(), Journal.append
    for number, last in enumerate(("earlier_runs", "operator_costs", "predictions")):
        name = f"cut-{number}"

        def limited(journal: Journal, event: str, *content: Any, last: str = last) -> Any:
            written = append(journal, event, *content)
            if event == last:
                raise KeyboardInterrupt
            return written

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", limited)
            with pytest.raises(KeyboardInterrupt):
                search(later(document, "logs/first"), name=name)
        Path("logs/first").rename("logs/gone")
        resume(Path("logs", name))
        assert search_content(RunFolder(Path("logs", name)).journal.events()) == search_content(whole)
        Path("logs/gone").rename("logs/first")


def test_cells_that_this_search_cannot_have_are_left_out_and_told(document: dict[str, Any]) -> None:
    search(load_config(document), name="first")
    told = list[str]()
    fewer = {"blocks": 2, "lookback_depth": 1, "operators": list(OPERATORS)}
    run = search(
        later(document, "logs/first", search_space=fewer),
        name="second",
        tell=lambda event: told.append(getattr(event, "text", "")),
    )
    (lent,) = RunFolder(run.folder).state().earlier or ()
    assert lent.cells and max(len(Cell.parse(cell)) for cell in lent.cells) == 2
    (said,) = [text for text in told if "earlier_runs" in text]
    assert f"learns from {len(lent.cells)} of " in said and "are no cells of this search" in said


@pytest.mark.parametrize(
    ("runs", "score", "said"),
    [
        (["logs/first"], "svr", "choose for others.predictors.score one that can: trees"),
        (["logs/first", "logs/first"], "trees", "names a run twice"),
    ],
)
def test_what_cannot_learn_from_them_says_so(
    document: dict[str, Any], runs: list[str], score: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        later(document, *runs, score=score)


def test_a_run_that_lends_nothing_ends_the_search_before_it_begins(document: dict[str, Any]) -> None:
    one = {"blocks": 1, "lookback_depth": 1, "operators": list(OPERATORS[:2])}
    small = {**document, "search_space": one, "others": {"evaluator": "table", "trackers": []}}
    search(load_config(small), name="small")
    for place, said in (
        ("logs/small", "leave this run out"),
        ("logs/none", "earlier_runs`: the run folder logs/none"),
    ):
        with pytest.raises(UserError, match=said):
            search(later(document, place), name="second")
        assert not Path("logs/second").exists()
