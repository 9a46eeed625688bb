"""Every kind of failure has a remedy of its own, made of fields that exist."""

import re

import pytest

from popnas import config
from popnas.errors import CandidateFailed
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
