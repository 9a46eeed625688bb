"""How long a search honestly still takes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.evaluation import Evaluation
from popnas.events import SecondsLeft
from popnas.workflows.searching.time_left import Clock, ConfirmationClock


def finished(clock, step, *walls, first=0):
    for index, wall in enumerate(walls, start=first):
        clock.record(
            Evaluation(
                cell="[]",
                step=step,
                index=index,
                is_exploration=False,
                seed=0,
                volatile={"wall_seconds": wall},
            )
        )


def test_nothing_is_said_before_a_handful_has_finished():
    clock = Clock(1, {})
    finished(clock, 1, 1.0, 1.0, 1.0, 1.0)
    assert clock.seconds_left(1, range(4, 20), {}) == SecondsLeft(None, None)
    finished(clock, 1, 1.0, first=4)
    assert clock.seconds_left(1, range(5, 20), {}).step == pytest.approx(15.0)


def test_a_small_step_needs_no_handful_but_at_least_one():
    clock = Clock(1, {})
    assert clock.seconds_left(2, [0, 1], {}) == SecondsLeft(None, None)
    finished(clock, 2, 3.0, 5.0)
    assert clock.seconds_left(2, [], {}) == SecondsLeft(0.0, 0.0)


def test_workers_share_what_is_left_but_not_a_single_network():
    clock = Clock(4, {})
    finished(clock, 2, *[2.0] * 5)
    assert clock.seconds_left(2, range(5, 13), {}).step == pytest.approx(4.0)
    assert clock.seconds_left(2, [5], {}).step == pytest.approx(2.0)


def test_a_running_one_counts_with_what_is_left_of_it_and_never_with_nothing():
    clock = Clock(1, {})
    finished(clock, 2, *[2.0] * 5)
    assert clock.seconds_left(2, [], {5: 0.5}).step == pytest.approx(1.5)
    assert clock.seconds_left(2, [], {5: 60.0}).step == pytest.approx(0.2)


def test_predicted_training_times_scale_the_mean():
    clock = Clock(1, {}, predicted={(2, index): 1.0 for index in range(5)} | {(2, 5): 3.0})
    finished(clock, 2, *[2.0] * 5)
    assert clock.seconds_left(2, [5], {}).step == pytest.approx(6.0)


def test_the_search_is_told_from_the_second_step_on_and_steps_to_come_grow_dearer():
    clock = Clock(1, {2: 10, 3: 10})
    finished(clock, 1, *[1.0] * 5)
    assert clock.seconds_left(1, range(5, 10), {}).search is None
    finished(clock, 2, *[1.5] * 5)
    left = clock.seconds_left(2, range(5, 10), {})
    assert left.step == pytest.approx(7.5)
    assert left.search == pytest.approx(7.5 + 10 * 1.5 * 1.5)
    finished(clock, 3, *[9.0] * 5)
    assert clock.seconds_left(3, [5], {}).search == pytest.approx(9.0)


def test_growth_is_taken_between_none_and_twofold():
    for mean, growth in ((0.5, 1.0), (9.0, 2.0)):
        clock = Clock(1, {2: 10, 3: 10})
        finished(clock, 1, *[1.0] * 5)
        finished(clock, 2, *[mean] * 5)
        assert clock.seconds_left(2, [], {}).search == pytest.approx(10 * mean * growth)


def test_evaluations_without_a_wall_time_teach_nothing():
    clock = Clock(1, {})
    clock.record(Evaluation(cell="[]", step=1, index=0, is_exploration=False, seed=0))
    assert clock.finished == {}


def test_the_search_ends_with_its_confirmations():
    clock = Clock(2, {2: 10, 3: 10}, num_confirmations=12)
    finished(clock, 1, *[1.0] * 5)
    finished(clock, 2, *[1.5] * 5)
    assert clock.seconds_left(2, [], {}).search == pytest.approx((10 + 12) * 1.5 * 1.5 / 2)
    finished(clock, 3, *[2.0] * 5)
    assert clock.seconds_left(3, [], {}).search == pytest.approx(12 * 2.0 / 2)


def test_a_predicted_time_below_nothing_takes_none_off_the_others():
    """A predictor may give what no training takes."""
    clock = Clock(1, {}, predicted={(2, index): 1.0 for index in range(5)} | {(2, 5): -9.0, (2, 6): 1.0})
    finished(clock, 2, *[2.0] * 5)
    assert clock.seconds_left(2, [5, 6], {}).step == pytest.approx(2.0)


seconds = st.floats(0.0, 1e6)
predictions = st.floats(-1e3, 1e6)


@given(
    walls=st.lists(st.lists(seconds, max_size=8), min_size=3, max_size=3),
    predicted=st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 12)), predictions),
    workers=st.integers(1, 8),
    later=st.dictionaries(st.integers(2, 5), st.integers(0, 50)),
    step=st.integers(1, 3),
    waiting=st.integers(0, 6),
    running=st.dictionaries(st.integers(20, 24), seconds),
)
def test_whatever_happened_it_is_unknown_or_a_time(walls, predicted, workers, later, step, waiting, running):
    clock = Clock(workers, later, num_confirmations=3, predicted=predicted)
    for number, found in enumerate(walls, start=1):
        finished(clock, number, *found)
    left = clock.seconds_left(step, range(10, 10 + waiting), running)
    if left.step is None:
        assert left.search is None
        return
    assert math.isfinite(left.step) and left.step >= 0
    assert left.search is None or (math.isfinite(left.search) and left.search >= left.step)
    more = clock.seconds_left(step, range(10, 11 + waiting), running)
    assert more.step is None or more.step * min(workers, waiting + 1 + len(running)) >= left.step * (1 - 1e-9)


def test_confirmations_take_as_long_as_the_search_took_for_their_cells_at_the_pace_of_now():
    time = [0.0]
    clock = ConfirmationClock(1, {"a#1": 2.0, "a#2": 2.0, "b#1": 6.0}, lambda: time[0])
    assert clock.seconds_left() == SecondsLeft(None, 10.0)
    clock.start("a#1")
    time[0] = 4.0
    clock.finish("a#1", 4.0)
    assert clock.seconds_left().search == pytest.approx(16.0)
    clock.start("b#1")
    time[0] = 9.0
    assert clock.seconds_left().search == pytest.approx(4.0 + 12.0 - 5.0)
    time[0] = 99.0
    assert clock.seconds_left().search == pytest.approx(4.0 + 1.2)  # never nothing while one runs


def test_confirmations_are_shared_by_workers_and_say_nothing_where_the_search_knows_no_time():
    assert ConfirmationClock(2, {"a": 2.0, "b": 2.0, "c": 2.0}).seconds_left().search == pytest.approx(3.0)
    assert ConfirmationClock(4, {"a": 2.0}).seconds_left().search == pytest.approx(2.0)
    assert ConfirmationClock(1, {"a": 2.0, "b": None}).seconds_left() == SecondsLeft(None, None)
