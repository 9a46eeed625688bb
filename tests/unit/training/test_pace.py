"""A training that has too little time for all its epochs goes through its whole schedule nevertheless."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.config.optimizers import SchedulerSpec
from popnas.training import TrainingPace, TrainingSettings, schedules


class Clock:
    """Monotonic time that passes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(schedules, "time", found)
    return found


def run(clock, paced, durations, num_done=0):
    """The spans of a training's epochs, which take the `durations`, the last one again and again."""
    paced.begin(num_done)
    spans = []
    while not paced.is_through:
        spans.append(paced.span())
        clock.now += durations[min(len(spans), len(durations)) - 1]
        paced.end(spans[-1])
        if paced.is_time_up:
            break
    return spans


def test_without_a_deadline_every_epoch_is_one_of_the_schedule(clock):
    assert run(clock, TrainingPace(7), [1.0]) == [1.0] * 7
    assert run(clock, TrainingPace(7), [1.0], num_done=3) == [1.0] * 4


def test_with_time_for_all_nothing_changes_though_the_first_takes_longer(clock):
    assert run(clock, TrainingPace(50, clock.now + 1000.0), [9.0, 1.0]) == [1.0] * 50


def test_what_does_not_fit_is_gone_through_faster(clock):
    end = clock.now + 10.5
    paced = TrainingPace(100, end)
    spans = run(clock, paced, [1.0])
    assert len(spans) == 10
    assert spans[0] == 1.0  # before anything is known
    assert spans[1:] == pytest.approx([11.0] * 9)
    assert paced.is_through
    assert clock.now <= end


@pytest.mark.parametrize(("limit", "num_done"), [(180.0, 0), (180.0, 5), (300.0, 0)])
def test_an_epoch_that_compiles_says_nothing_of_those_after_it(clock, limit, num_done):
    paced = TrainingPace(50, clock.now + limit, is_compiled=True)
    assert run(clock, paced, [100.0, 1.0], num_done) == [1.0] * (50 - num_done)
    uncompiled = TrainingPace(50, clock.now + 180.0)
    assert len(run(clock, uncompiled, [100.0, 1.0])) == 1  # what that was for


def test_one_that_compiles_goes_through_all_in_what_is_left(clock):
    paced = TrainingPace(50, clock.now + 120.0, is_compiled=True)
    spans = run(clock, paced, [100.0, 1.0])
    assert len(spans) in (20, 21)
    assert paced.is_through


def test_one_that_gets_slower_hurries(clock):
    paced = TrainingPace(100, clock.now + 100.0)
    spans = run(clock, paced, [1.0] * 20 + [4.0])
    assert spans[:20] == [1.0] * 20
    assert len(spans) < 50
    assert paced.position > 95


def test_no_epoch_begins_that_does_not_fit(clock):
    paced = TrainingPace(3, clock.now + 1.5)
    assert run(clock, paced, [1.0]) == [1.0]
    assert paced.is_time_up
    assert not paced.is_through


@settings(max_examples=200, deadline=None)
@given(
    num_epochs=st.integers(1, 60),
    limit=st.floats(0.0, 200.0),
    durations=st.lists(st.floats(0.5, 2.0), min_size=1, max_size=60),
    num_done=st.integers(0, 59),
)
def test_it_ends_within_an_epoch_of_its_deadline_and_never_goes_back(num_epochs, limit, durations, num_done):
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedules, "time", clock)
        end = clock.now + limit
        paced = TrainingPace(num_epochs, end)
        spans = run(clock, paced, durations, min(num_done, num_epochs - 1))
    assert all(span > 0 for span in spans)
    assert len(spans) <= num_epochs
    assert paced.position <= num_epochs + 1e-6
    assert clock.now <= max(end, 100.0) + max(durations)
    if limit > 8 * max(durations):  # time enough to hurry
        assert paced.position >= 0.75 * num_epochs


def test_all_processes_that_train_together_go_as_the_leader_does(clock):
    team = SimpleNamespace(as_leader_has=lambda value: 2.5)
    paced = TrainingPace(10, None, team)
    assert paced.span() == 2.5


def test_a_hurried_training_ends_at_the_end_of_its_schedule(train, clock):
    settings = TrainingSettings(
        epochs=40, learning_rate=0.1, scheduler=SchedulerSpec("cd", alpha=0.0), score_metric="accuracy"
    )
    rates = []

    def on_epoch(record, snapshot):
        clock.now += 1.0
        rates.append(record.learning_rate)
        return False

    paced = TrainingPace(40, clock.now + 8.0)
    result = train(settings, pace=paced, on_epoch=on_epoch)
    whole = train(settings)
    assert len(result.epochs) == 8 < len(whole.epochs) == 40
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.01 * settings.learning_rate + whole.epochs[-1].learning_rate * 10
