"""Many files make one sentence, whatever thread came first; mistakes of many files come at once."""

import pytest

from popnas.datasets.findings import Findings, Mistakes, read_all
from popnas.errors import DataError


def test_findings_count_and_name_the_first():
    findings = Findings()
    for name in ("d", "b", "c", "a"):
        findings.add("turned", name)
    findings.add("passed over", "x")
    assert findings.notes() == ["passed over: 1 (x)", "turned: 4 (a, b, c, ...)"]
    assert findings.names("turned") == ["a", "b", "c", "d"] and findings.names("none") == []


def test_one_mistake_is_told_as_it_is_and_many_at_once():
    def read(number):
        if number % 2:
            raise DataError(f"{number} is odd.")
        return number

    assert read_all([0, 2, 4], read) == [0, 2, 4]
    with pytest.raises(DataError, match=r"^3 is odd\.$"):
        read_all([0, 3], read)
    with pytest.raises(DataError) as raised:
        read_all(range(30), read)
    lines = str(raised.value).splitlines()
    assert lines[0] == "15 mistakes in the data:" and lines[1:3] == ["  1 is odd.", "  3 is odd."]
    assert len(lines) == 12 and lines[-1] == "  ... and 5 more."


def test_nothing_held_is_no_mistake():
    mistakes = Mistakes()
    with mistakes.held():
        pass
    mistakes.check()
