"""Every kind of failure has a remedy of its own, made of fields that exist."""

import re

import pytest

from popnas import config
from popnas.errors import CandidateFailed
from popnas.evaluation import Evaluation
from popnas.workflows import advice


@pytest.mark.parametrize("kind", CandidateFailed.KINDS)
def test_every_kind_has_its_own(kind):
    found = advice.for_kinds([kind, None])
    assert found
    others = {advice.for_kinds([other]) for other in CandidateFailed.KINDS if other != kind}
    assert found not in others
    document = config.load("run").to_json()
    for section, fields in re.findall(r"\b([a-z_]+)((?:\.[a-z_]+)+)\b", found):
        if section in document:
            value = document[section]
            for field in fields.strip(".").split("."):
                assert field in value, f"{section}{fields}"
                value = value[field]


def test_a_killed_worker_is_not_told_to_learn_slower():
    assert "learning_rate" not in advice.for_kinds(["worker_died"])
    assert "workers" in advice.for_kinds(["worker_died"])


def evaluated(count, error=None):
    fields = {"step": 1, "is_exploration": False, "seed": 0, "params": 9, "flops": 9}
    done = {"error": error, "error_kind": "nan"} if error else {"score": 0.5}
    return [
        Evaluation(cell=f"[(-1, {i}x{i} conv, -1, identity)]", index=i, **fields, **done)
        for i in range(count)
    ]


@pytest.mark.parametrize("trained", [0, 1, 2])
def test_too_few_successes_are_told_with_what_failed_most_and_the_remedy(trained):
    told = advice.too_few(evaluated(trained) + evaluated(4, "it diverged"), 2)
    assert f"4 of {4 + trained} single-block cells failed" in told
    assert "4 x nan: it diverged" in told and "learning_rate" in told


def test_enough_successes_are_no_news():
    assert advice.too_few(evaluated(3) + evaluated(4, "it diverged"), 2) is None
    assert advice.too_few(evaluated(1) + evaluated(4, "it diverged"), 1) is None
