"""The time left of a whole job, as the stage that runs tells it; and in its progress file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.evaluation import Evaluation
from popnas.events import (
    CandidateFinished,
    ConfirmationFinished,
    ConfirmationStarted,
    EpochFinished,
    JobLeft,
    ModelFinished,
    PhaseStarted,
    SecondsLeft,
    StepStarted,
    TrainingsStarted,
)
from popnas.runs.stored import progress
from popnas.runs.stored.job_clock import Ahead, JobClock, Pace, StepAhead

UNKNOWN = SecondsLeft(None, None)


class Told:
    """What a clock tells, whose hands are set by the test."""

    def __init__(self, ahead):
        self.now, self.events = 0.0, []
        self.clock = JobClock(ahead, self.events.append, lambda: self.now)

    def left(self, event, now):
        """The job's seconds left after an event."""
        self.now = now
        self.clock(event)
        assert self.events[-2] == event
        assert isinstance(self.events[-1], JobLeft)
        return self.events[-1].seconds


def finished(wall, left=UNKNOWN, index=0, score=0.5):
    item = Evaluation("[]", 1, index, False, 1, {}, score, 1.0, 0.1, volatile={"wall_seconds": wall})
    return CandidateFinished(item, left)


STEPS = (StepAhead(0, 4.0, 4.0), StepAhead(1, 2.0, 20.0), StepAhead(2, 6.0, 36.0))
SEARCH = Ahead(10.0, 60.0, 5.0, 100.0, 20.0, STEPS)


def test_before_anything_is_measured_the_expectation_runs_down():
    told = Told(SEARCH)
    assert SEARCH.seconds == 195.0
    assert told.left(PhaseStarted("loading"), 4.0) == 191.0
    assert (
        told.left(PhaseStarted("loading"), 30.0) == 185.0
    )  # it starts slowly: the networks are still to come
    assert told.left(StepStarted(0, 1, 0), 30.0) == 185.0
    assert told.left(StepStarted(1, 10, 0), 34.0) == 20.0 + 36.0 + 5.0 + 120.0
    assert told.left(finished(2.0), 35.0) == 20.0 + 36.0 + 5.0 + 120.0  # heard now


def test_the_pace_of_candidates_counts_for_all_networks_to_come():
    told = Told(SEARCH)
    told.left(StepStarted(1, 10, 0), 0.0)
    for index in range(4):
        told.left(finished(4.0, index=index), 0.0)
    left = told.left(finished(4.0, SecondsLeft(11.0, None)), 0.0)
    assert left == 11.0 + 2 * 36.0 + 5.0 + 2 * 100.0 + 20.0
    assert told.left(StepStarted(2, 6, 0), 20.0) == 2 * 36.0 + 5.0 + 2 * 100.0 + 20.0
    # One grown cell says nothing yet.
    assert told.left(finished(4.0, SecondsLeft(7.0, 9.0)), 30.0) == 9.0 + 5.0 + 2 * 100.0 + 20.0


def test_from_the_first_grown_cells_on_the_best_cells_tell_what_their_networks_will_take():
    told = Told(replace(SEARCH, num_best=2, best_candidate=6.0))
    told.left(StepStarted(1, 10, 0), 0.0)
    for index in range(5):
        told.left(finished(2.0, index=index, score=0.99 if index == 3 else 0.1), 0.0)
    told.left(StepStarted(2, 6, 0), 0.0)
    for index in range(4):
        told.left(finished(9.0, index=index, score=0.5), 0.0)
    left = told.left(finished(4.0, SecondsLeft(7.0, 9.0), score=0.98), 0.0)
    # The best of all has one block and took 2 s, the second 4 s; 6 s were expected.
    assert left == pytest.approx(9.0 + 5.0 + 3.0 / 6.0 * 100.0 + 20.0)


def test_the_next_step_is_as_the_last_one_was_and_confirmations_are_part_of_a_search():
    steps = (*STEPS, StepAhead(3, 10.0, 50.0))
    told = Told(replace(SEARCH, steps=steps, confirmations=30.0))
    assert told.left(StepStarted(1, 10, 0), 0.0) == 20.0 + 36.0 + 50.0 + 30.0 + 5.0 + 120.0
    for index in range(5):
        told.left(finished(2.0, index=index), 0.0)
    told.left(StepStarted(2, 6, 0), 0.0)
    for index in range(5):
        told.left(finished(3.0, index=index), 0.0)
    # Half of what was expected of step 2, though step 1 took what it was to take.
    assert told.left(StepStarted(3, 5, 0), 0.0) == 0.5 * (50.0 + 30.0 + 100.0) + 5.0 + 20.0


def test_a_few_odd_networks_are_no_slow_machine():
    told = Told(SEARCH)
    told.left(StepStarted(1, 10, 0), 0.0)
    for index in range(5):
        left = told.left(finished(1e6, SecondsLeft(0.0, 0.0), index), 0.0)
    assert left == 5.0 + 4 * 100.0 + 20.0


def test_confirmations_run_the_time_left_of_a_search_down():
    told = Told(SEARCH)
    told.left(StepStarted(1, 10, 0), 0.0)
    assert told.left(ConfirmationStarted(2, SecondsLeft(None, 50.0)), 10.0) == 50.0 + 5.0 + 120.0
    assert told.left(ConfirmationFinished(SecondsLeft(None, 20.0)), 20.0) == 20.0 + 5.0 + 120.0
    assert told.left(ConfirmationFinished(UNKNOWN), 25.0) == 15.0 + 5.0 + 120.0


def test_limits_end_stage_and_job():
    told = Told(Ahead(10.0, 60.0, 5.0, 100.0, 20.0, stage_limit=30.0, job_limit=500.0))
    assert told.left(PhaseStarted("loading"), 0.0) == 30.0 + 120.0
    assert told.left(PhaseStarted("loading"), 10.0) == 20.0 + 120.0
    told = Told(Ahead(10.0, 60.0, 5.0, 100.0, 20.0, job_limit=40.0))
    assert [told.left(PhaseStarted("x"), now) for now in (0.0, 15.0, 99.0)] == [40.0, 25.0, 0.0]


def test_epochs_tell_of_trainings(tmp_path):
    folders = tuple(tmp_path / name for name in ("a", "b"))
    told = Told(Ahead(10.0, 40.0, 5.0, 80.0, 20.0))
    assert told.left(TrainingsStarted(folders, 10), 10.0) == 40.0 + 5.0 + 100.0
    assert told.left(EpochFinished("a", 1, 10), 14.0) == 36.0 + 5.0 + 100.0
    assert told.left(EpochFinished("b", 1, 10), 16.0) == 18 * 2.0 + 5.0 + 100.0
    for epoch in (2, 3):
        told.left(EpochFinished("a", epoch, 10), 16.0 + 4 * (epoch - 1))
    # 2 s an epoch were expected, and 10 / 3 s are measured since the first: final training takes longer, too.
    left = told.left(EpochFinished("b", 2, 10), 24.0)
    assert left == pytest.approx(15 * 2.5 + 5.0 + 1.25 * 80.0 + 20.0)
    told.left(ModelFinished(folders[0], "done"), 60.0)
    assert told.left(ModelFinished(folders[1], "failed"), 61.0) == pytest.approx(
        5.0 + 20.0 + 80.0 * (61.0 - 14.0) / 19 / 2.0
    )


def test_trainings_of_equal_time_tell_by_their_shares(tmp_path):
    """Ten epochs of one take as long as forty of the other."""
    folders = tuple(tmp_path / name for name in ("a", "b"))
    told = Told(Ahead(10.0, 80.0, 0.0, 0.0, 0.0))
    assert told.left(TrainingsStarted(folders, 10, None, (10, 40)), 0.0) == 80.0
    told.left(EpochFinished("a", 1, 10), 4.0)
    for epoch in range(1, 5):
        left = told.left(EpochFinished("b", epoch, 40), 4.0 + epoch)
    # Four epochs of `b` took 4 s; 36 are left of it, and nine of `a`, which take four times as long.
    assert left == pytest.approx(72.0)
    told.left(ModelFinished(folders[0], "done"), 44.0)
    assert told.left(ModelFinished(folders[1], "done"), 80.0) == 0.0


def test_epochs_of_before_an_interruption_are_done(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "training.json").write_text(json.dumps({"epochs": [{}] * 8}))
    told = Told(Ahead(1.0, 4.0, 0.0, 0.0, 0.0))
    told.left(TrainingsStarted((tmp_path / "a",), 10), 0.0)
    assert told.left(EpochFinished("a", 9, 10), 3.0) == 1.0
    assert told.left(EpochFinished("a", 10, 10), 4.0) == 0.0


def test_the_first_pieces_start_the_clock():
    pace = Pace(10)
    pace.seconds_left(6, 0.0)
    assert pace.seconds_left(7, 10.0) is None
    assert pace.seconds_left(8, 12.0) == pytest.approx(4.0)


STEP = st.builds(StepAhead, st.integers(0, 9), st.floats(0, 9), st.floats(0, 99))


@given(st.builds(Ahead, *[st.floats(0, 1e5)] * 5, st.lists(STEP).map(tuple)))
def test_what_a_job_expects_survives_the_way_to_its_stage(ahead):
    assert Ahead.from_json(json.loads(json.dumps(ahead.to_json()))) == ahead


def test_the_progress_file_has_the_job_s_time_left_in_every_stage(tmp_path: Path) -> None:
    path, heard = tmp_path / "progress.json", []
    content = lambda: json.loads(path.read_text())["seconds_left"]  # noqa: E731
    with progress.kept(path, "search", JobClock(SEARCH, heard.append)) as tell:
        tell(PhaseStarted("loading"))
        assert 190.0 < content()["job"] <= 195.0
        tell(StepStarted(1, 10, 0))
        assert 150.0 < content()["job"] <= 195.0
    assert content() is None
    assert {type(event) for event in heard} == {PhaseStarted, StepStarted, JobLeft}
    with progress.kept(path, "search", heard.append) as tell:
        tell(StepStarted(1, 10, 0))
        assert content() is None
