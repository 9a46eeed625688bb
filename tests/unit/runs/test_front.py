"""The trained front and the point to take home."""

from pathlib import Path

import pytest

from popnas.errors import UserError
from popnas.runs import replay
from popnas.runs.artifacts import WEIGHTS, of_weights
from popnas.runs.front import Limits, pick, train_command, trained_front


@pytest.fixture
def state(events):
    return replay(events)


def test_the_front_is_over_the_searchs_objectives(state, sample):
    # score / seconds: 0.8/2, 0.5/1, 0.9/3, 0.85/4 (dominated); the empty cell (0.95/0.5) takes no part
    assert state.objectives == ["score", "time"]
    assert [item.cell for item in trained_front(state)] == [sample.DOUBLE[0], *sample.SINGLE[:2]]


def test_pnas_mode_has_one_objective(state, sample):
    state.config["others"]["pnas_mode"] = True
    assert [item.cell for item in trained_front(state)] == [sample.DOUBLE[0]]


def test_of_equal_points_one_stands(sample):
    equal = [sample.evaluation(cell, 1, index, 0.5, 1.0) for index, cell in enumerate(sample.SINGLE)]
    assert len(trained_front(replay(sample.number(equal)), ["score", "time"])) == 1


def test_candidates_without_a_figure_take_no_part(triples, sample):
    triples[12] = sample.evaluation(sample.DOUBLE[0], 2, 0, 0.9, 3.0, inference_seconds=None)
    state = replay(sample.number(triples))
    assert sample.DOUBLE[0] in [item.cell for item in trained_front(state)]
    assert sample.DOUBLE[0] not in [item.cell for item in trained_front(state, ["score", "inference_time"])]


@pytest.mark.parametrize(
    ("limits", "score"),
    [
        (Limits(), 0.9),
        (Limits({"params": 200}), 0.9),
        (Limits({"params": 199}), 0.5),
        (Limits({"inference_time": 0.002}), 0.8),
        (Limits({"params": 300, "inference_time": 0.0025, "score": 0.7}), 0.8),
        (Limits({"score": 0.9}), 0.9),
    ],
)
def test_the_pick_is_the_best_that_keeps_to_the_limits(state, limits, score):
    assert pick(state, limits).score == score
    assert score == max(item.score for item in state.successes if item.step and limits.fits(item))


def test_where_nothing_fits_the_nearest_is_told(state):
    with pytest.raises(UserError) as caught:
        pick(state, Limits({"params": 50, "inference_time": 0.0001, "score": 0.99}))
    message = str(caught.value)
    assert "parameters of at most 50 (the best has 100)" in message
    assert "inference time of at most 0.1 ms (the best has 1 ms)" in message
    assert "validation score of at least 0.99 (the best has 0.9)" in message


def test_nothing_trained_yet(triples, sample):
    with pytest.raises(UserError, match="no cell was trained successfully"):
        pick(replay(sample.number(triples[:4])), Limits())


def test_networks_of_another_evaluator_are_known_by_the_weights_that_they_left(sample, tmp_path):
    foreign = {**sample.CONFIG, "others": {**sample.CONFIG.get("others", {}), "evaluator": "mine"}}
    assert train_command(tmp_path, foreign, sample.SINGLE[0]) is None
    (tmp_path / WEIGHTS).mkdir(parents=True)
    assert train_command(tmp_path, foreign, sample.SINGLE[0]) is None
    (tmp_path / of_weights(sample.SINGLE[0])).write_bytes(b"")
    trained = train_command(tmp_path, foreign, sample.SINGLE[0])
    assert trained == train_command(tmp_path, sample.CONFIG, sample.SINGLE[0])


def test_the_command_uses_the_searchs_network(sample):
    assert train_command(Path("logs/my run"), sample.CONFIG, sample.SINGLE[0]) == (
        f"popnas train -p 'logs/my run' -b 64 -f 8 -m 2 -n 1 --spec '{sample.SINGLE[0]}'"
    )
