"""State by replay: after any prefix, any repetition, any order of completion."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from popnas.errors import JournalError
from popnas.evaluation import Evaluation
from popnas.runs import RunState, replay, validation

any_example = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_a_finished_search(events, sample):
    state = replay(events)
    assert state.config == sample.CONFIG
    assert state.seed == 5
    assert [(item.cell, item.step, item.index) for item in state.proposals[1]] == [
        (cell, 1, index) for index, cell in enumerate(sample.SINGLE)
    ]
    assert [item.is_exploration for item in state.proposals[2]] == [False, True]
    assert state.proposals[2][0].predictions == {"score": 0.9, "time": 3.0}
    assert [item.cell for item in state.evaluations] == ["[]", *sample.SINGLE, *sample.DOUBLE]
    assert [item.cell for item in state.successes] == ["[]", *sample.SINGLE[:2], *sample.DOUBLE]
    assert [item.cell for item in state.evaluated(2)] == list(sample.DOUBLE)
    assert state.evaluation("[]").volatile == {"worker": 0}
    assert state.evaluation("[(-1, x, -1, x)]") is None
    assert state.operator_costs["time"]["identity"] == 0.25
    assert state.predictions[2, 0].sha256 == "y"
    assert state.finished_steps == {0, 1, 2}
    assert state.next_step == 3
    assert [(item.repetition, item.score) for item in state.confirmations] == [(1, 0.89), (2, 0.91)]
    assert state.is_finished
    assert state.finish_reason == "completed"


def test_earlier_runs_lend_a_score_for_each_cell(triples, sample):
    lent = {"run": "first", "cells": [sample.SINGLE[0]], "scores": [0.5]}
    event = ("earlier_runs", {"runs": [lent]}, {})
    other = ("earlier_runs", {"runs": [{**lent, "run": "second"}]}, {})
    (found,) = replay(sample.number([*triples[:1], event, other])).earlier
    assert (found.run, found.cells, found.scores) == ("first", (sample.SINGLE[0],), (0.5,))
    wrong = ({"scores": [0.5, 0.6]}, {"scores": ["good"]}, {"scores": [2.0]}, {"cells": [3]}, {"run": None})
    for change in wrong:
        with pytest.raises(ValueError, match="has"):
            validation.check(
                sample.number([("earlier_runs", {"runs": [{**lent, **change}]}, {})])[0], replay([])
            )


def test_untrained_parents_are_cells_that_the_step_did_not_propose(triples, sample):
    untrained = "[(-2, 3x3 conv, -2, 3x3 conv)]"
    parents = ("untrained_parents", {"step": 1, "cells": [{"cell": untrained}]}, {})
    trained = ("untrained_parents", {"step": 2, "cells": [{"cell": sample.DOUBLE[0]}]}, {})
    nameless = ("untrained_parents", {"step": 2, "cells": [{"score": 0.5}]}, {})
    known = replay(sample.number([*triples, parents]))
    assert known.untrained_parents == {1: [untrained]}
    for wrong, why in ((trained, "twice"), (nameless, "cell")):
        with pytest.raises(ValueError, match=why):
            validation.check(sample.number([wrong])[0], replay(sample.number(triples)))


def test_the_best_is_never_the_empty_cell_and_ties_go_to_the_first_in_canonical_order(events, sample):
    state = replay(events)
    assert state.evaluation("[]").score > state.best.score
    assert state.best.cell == sample.DOUBLE[0]
    tied = [sample.evaluation(cell, 1, index, 0.5, 1.0) for index, cell in enumerate(sample.SINGLE)]
    forward, backward = replay(sample.number(tied)), replay(sample.number(tied[::-1]))
    assert forward.best.cell == backward.best.cell
    assert RunState().best is None
    assert replay(sample.number([sample.failed(sample.SINGLE[0], 1, 0)])).best is None


def test_a_failure_is_a_result_and_not_tried_again(triples, sample):
    state = replay(sample.number(triples[:8]))
    assert state.pending(1) == []
    assert state.evaluation(sample.SINGLE[2]).is_failed


def test_pending_are_the_proposals_without_a_result(triples, sample):
    state = replay(sample.number(triples[:7]))
    assert [item.cell for item in state.pending(1)] == [sample.SINGLE[2]]
    assert state.pending(0) == []
    assert state.pending(2) == []
    assert state.next_step == 1


@any_example
@given(data=st.data())
def test_repeated_events_change_nothing(triples, sample, data):
    """A kill between an append and its use makes a resumed search append the same again."""
    repeated = [
        copy
        for triple in triples
        for copy in [triple] * data.draw(st.sampled_from([1, 1, 2, 3]), label=triple[0])
    ]
    assert replay(sample.number(repeated)) == replay(sample.number(triples))


def test_of_two_evaluations_of_a_cell_the_first_counts(sample):
    first, second = (sample.evaluation(sample.SINGLE[0], 1, 0, score, 1.0) for score in (0.5, 0.9))
    assert replay(sample.number([first, second])).best.score == 0.5


@any_example
@given(order=st.permutations(range(3)))
def test_evaluations_stand_in_order_of_proposal(triples, sample, order):
    shuffled = triples[:5] + [triples[5 + index] for index in order] + triples[8:]
    state, expected = replay(sample.number(shuffled)), replay(sample.number(triples))
    assert state.evaluations == expected.evaluations
    assert all(isinstance(item, Evaluation) for item in state.evaluations)


def test_state_kept_current_equals_replay(events):
    state = RunState()
    for number, event in enumerate(events, start=1):
        state.apply(event)
        assert state == replay(events[:number])


@pytest.mark.parametrize(
    ("reason", "is_final"), [("completed", True), ("no_parents", True), ("max_hours", False)]
)
def test_only_a_run_stopped_by_a_limit_goes_on(triples, sample, reason, is_final):
    stopped = [*triples[:-1], ("run_finished", {"reason": reason}, {})]
    state = replay(sample.number(stopped))
    assert state.finish_reason == reason
    assert state.is_finished == is_final
    resumed = replay(sample.number([*stopped, ("run_resumed", {}, {"host": "b"})]))
    assert resumed.finish_reason == (reason if is_final else None)


def test_events_of_other_kinds_are_passed_over(events, sample):
    assert replay([*events, *sample.number([("something_new", {"a": 1}, {})])]) == replay(events)


@pytest.mark.parametrize(
    ("number", "change", "why"),
    [
        (4, {"step": "1"}, "has '1' as its 'step'"),
        (4, {"cells": [{"cell": "[(-1, x]"}]}, "is wrong at character"),
        (5, {"cell": None}, "has None as its 'cell'"),
        (5, {"score": "high"}, "has 'high' as its 'score'"),
        (5, {"score": "nan"}, "has 'nan' as its 'score'"),
        (5, {"score": float("nan")}, "has nan as its 'score'"),
        (5, {"score": 1.01}, "has 1.01 as its 'score'"),
        (5, {"score": None}, "has no 'score', though it did not fail"),
        (5, {"params": "x"}, "has 'x' as its 'params'"),
        (5, {"params": 1.5}, "has 1.5 as its 'params'"),
        (5, {"training_seconds": -1.0}, "has -1.0 as its 'training_seconds'"),
        (5, {"metrics": {"accuracy": None}}, "as its 'metrics'"),
        (5, {"error_kind": "bad luck"}, "has 'bad luck' as its 'error_kind'"),
        (5, {"index": 1}, "was not proposed as number 1 of step 1"),
        (5, {"index": True}, "has True as its 'index'"),
        (5, {"step": 2}, "at step 2"),
        (11, {"step": 3}, "at step 3"),
        (10, {"file": "../../x.npz"}, r"has '\.\./\.\./x.npz' as its 'file'"),
        (10, {"predictors": {"score": 1}}, "as its 'predictors'"),
        (8, {"time": {"identity": -1.0}}, "as its 'time'"),
        (15, {"repetition": 0}, "has 0 as its 'repetition'"),
        (15, {"score": None}, "has no 'score'"),
        (17, {"reason": "because"}, "has 'because' as its 'reason'"),
        (5, {"unknown": 1}, "unknown"),
        (9, {"step": None}, "has None as its 'step'"),
    ],
)
def test_content_that_no_search_writes_is_named_with_its_line(triples, sample, number, change, why):
    event, content, volatile = triples[number]
    triples[number] = (event, {**content, **change}, volatile)
    with pytest.raises(JournalError, match=rf"line {number + 1} .*{why}"):
        replay(sample.number(triples))


@pytest.mark.parametrize(
    ("others", "is_refused"),
    [({}, True), ({"others": {"evaluator": "training"}}, True), ({"others": {"evaluator": "table"}}, False)],
)
def test_what_a_run_remembers_of_its_data_is_its_evaluators(events, sample, others, is_refused):
    """Runs from before there were evaluators trained."""
    start = ("run_started", {"version": 1, "seed": 5, "config": {**sample.CONFIG, **others}}, {})
    found = sample.number([start, ("data", {"sha256": "x", "table": "bench"}, {})])
    if is_refused:
        with pytest.raises(JournalError, match="has no 'input_shape'"):
            replay(found)
    else:
        assert replay(found).data == {"sha256": "x", "table": "bench"}
    with pytest.raises(JournalError, match="has no 'sha256'"):
        replay(sample.number([start, ("data", {"table": "bench"}, {})]))
