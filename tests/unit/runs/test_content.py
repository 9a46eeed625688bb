"""Search content depends on what was searched alone."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from popnas.runs import search_content

any_example = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_lines_are_the_contents_in_order_of_step_and_proposal(events):
    lines = [json.loads(line) for line in search_content(events)]
    assert lines[0]["config_sha256"] == "x"
    assert [line.get("step") for line in lines] == [
        None,
        0,
        0,
        0,
        1,
        1,
        1,
        1,
        None,
        1,
        2,
        2,
        2,
        2,
        2,
        None,
        None,
        None,
    ]
    assert [line["index"] for line in lines if line.get("step") == 1 and "index" in line] == [0, 1, 2]
    assert lines[10]["file"] == "predictions_B2.npz"  # predictions stand before what was chosen by them
    assert [line["repetition"] for line in lines if "repetition" in line] == [1, 2]
    assert lines[-1] == {"reason": "completed"}


def test_sorted_keys_shortest_floats_no_nan(sample):
    (line,) = search_content(sample.number([("note", {"b": 0.1, "a": 1e-7, "c": float("nan")}, {})]))
    assert line == '{"a":1e-07,"b":0.1,"c":null}'


@any_example
@given(data=st.data())
def test_order_of_completion_repetition_and_resumes_do_not_show(triples, sample, data):
    """Evaluations of a step in any order, events repeated, resumes and stops by a limit anywhere."""
    first, second = data.draw(st.permutations(range(5, 8))), data.draw(st.permutations(range(12, 14)))
    order = [*range(5), *first, *range(8, 12), *second, 14, *data.draw(st.permutations([15, 16])), 17]
    changed = []
    for index in order:
        event, content, volatile = triples[index]
        changed += [(event, content, {**volatile, "pid": index})] * data.draw(st.sampled_from([1, 1, 1, 2]))
        if index < 17 and data.draw(st.booleans()):
            changed += [("run_finished", {"reason": "max_hours"}, {}), ("run_resumed", {}, {"host": "b"})]
    assert search_content(sample.number(changed)) == search_content(sample.number(triples))


def test_another_result_shows(triples, sample):
    changed = list(triples)
    changed[5] = sample.evaluation(sample.SINGLE[0], 1, 0, 0.80000001, 2.0, 300)
    assert search_content(sample.number(changed)) != search_content(sample.number(triples))


def test_of_repeated_confirmations_the_first_stands(triples, sample):
    again = ("confirmation", {"cell": sample.DOUBLE[0], "repetition": 1, "score": 0.5}, {})
    assert search_content(sample.number([*triples, again])) == search_content(sample.number(triples))


def test_a_run_that_a_limit_stopped_says_so(triples, sample):
    stopped = [*triples[:9], ("run_finished", {"reason": "max_hours"}, {})]
    assert search_content(sample.number(stopped))[-1] == '{"reason":"max_hours"}'
