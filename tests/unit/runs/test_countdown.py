"""Times left beside one another: none is more than the whole job's or than a limit leaves."""

import json

from hypothesis import given
from hypothesis import strategies as st

from popnas.evaluation import Evaluation
from popnas.events import CandidateFinished, JobLeft, PhaseAdvanced, SecondsLeft, StepStarted
from popnas.runs.stored import progress
from popnas.runs.stored.countdown import Countdown, Left


class Hands:
    now = 100.0

    def __call__(self):
        return self.now


def test_what_is_left_runs_down_and_a_new_phase_keeps_only_the_job_s():
    hands = Hands()
    times = Countdown(hands)
    times.hear(SecondsLeft(20.0, None))
    times.hear(JobLeft(75.0))
    hands.now += 5.0
    assert times.left() == {"step": Left(15.0), "search": None, "job": Left(70.0)}
    hands.now += 500.0
    assert times.left() == {"step": Left(0.0), "search": None, "job": Left(0.0)}
    times.hear(JobLeft(75.0))
    times.begin()
    assert times.left() == {"job": Left(75.0)}


def test_a_time_limit_ends_what_would_take_longer_and_nothing_else():
    times = Countdown(Hands())
    times.hear(SecondsLeft(30.0, 400.0, limit=60.0))
    times.hear(JobLeft(300.0))
    assert times.left() == {"step": Left(30.0), "search": Left(60.0, by_limit=True), "job": Left(300.0)}
    times.begin(limit=40.0)
    times.hear(PhaseAdvanced(1, seconds_left=120.0))
    assert times.left()["phase"] == Left(40.0, by_limit=True)
    times.begin()
    times.hear(PhaseAdvanced(1, seconds_left=120.0))
    assert times.left()["phase"] == Left(120.0)


SECONDS = st.none() | st.floats(0, 1e6)
TOLD = st.one_of(
    st.builds(SecondsLeft, SECONDS, SECONDS, SECONDS),
    st.builds(PhaseAdvanced, st.just(1), st.just(""), SECONDS),
    st.builds(JobLeft, st.floats(0, 1e6)),
)


@given(st.lists(st.tuples(TOLD, st.floats(0, 1e4))))
def test_nothing_is_ever_said_to_take_longer_than_the_job(told):
    hands = Hands()
    times = Countdown(hands)
    for event, later in told:
        times.hear(event)
        hands.now += later
        left = [each.seconds for each in times.left().values() if each is not None]
        job = times.left().get("job")
        assert min(left, default=0.0) >= 0.0
        assert job is None or max(left) == job.seconds


def test_nor_in_the_progress_file(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_LEAST_SECONDS", 0.0)
    path = tmp_path / "progress.json"
    found = Evaluation("[]", 1, 0, False, 1, {}, 0.5, 1.0, 0.1)
    with progress.kept(path, "search", lambda event: None) as tell:
        tell(StepStarted(1, 10, 0))
        tell(JobLeft(75.0))
        tell(CandidateFinished(found, SecondsLeft(30.0, 500.0, limit=60.0)))
        left = json.loads(path.read_text())["seconds_left"]
        assert 28.0 < left["step"] <= 30.0 and 58.0 < left["search"] <= 60.0 and 73.0 < left["job"] <= 75.0
        tell(JobLeft(20.0))
        left = json.loads(path.read_text())["seconds_left"]
        assert left["step"] == left["search"] == left["job"] <= 20.0
