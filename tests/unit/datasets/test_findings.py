"""Many files make one sentence, whatever thread came first; mistakes of many files come at once."""

import pytest

from popnas.datasets.findings import Findings, Mistakes, Notes, explained, read_all
from popnas.errors import DataError, TooFewError


def test_findings_count_and_name_the_first():
    findings = Findings()
    for name in ("d", "b", "c", "a"):
        findings.add("turned", name)
    findings.add("passed over", "x")
    findings.add_once("passed over", "x")
    assert findings.notes().learnt == ["passed over: 1 (x)", "turned: 4 (a, b, c, ...)"]
    assert findings.names("turned") == ["a", "b", "c", "d"] and findings.names("none") == []


def test_what_is_found_in_the_test_split_changes_nothing_of_what_is_told_of_the_rest():
    findings = Findings()
    for split in ("train", "validation"):
        findings.of(split).add("turned", split)
    alone = findings.notes().warnings()
    findings.of("test").add("turned", "t")
    notes = findings.notes()
    assert notes.warnings() == alone == ["Turned: 2 (train, validation)."]
    assert notes.test_warnings() == ["In the test split: turned: 1 (t)."]
    assert findings.names("turned") == ["t", "train", "validation"]


def test_a_refusal_tells_what_it_may_come_of_and_stays_of_its_kind():
    told = r"^too few\.\nWhat was done before:\n  Merged\.\n  Dropped\.$"
    with pytest.raises(TooFewError, match=told) as raised, explained(["merged", "dropped"]):
        raise TooFewError("too few.", 0.5)
    assert raised.value.smallest == 0.5
    with pytest.raises(DataError, match=r"^no\.$"), explained([]):
        raise DataError("no.")
    mistakes = Mistakes()
    for name in "ab":
        with mistakes.held(name), explained([f"merged into {name}"]):
            raise DataError(f"no {name}, of a kind with a {name * 9}.")
    with pytest.raises(DataError, match=r"\n  no a, .*\n    What was done before: Merged into a\.\n  no b"):
        mistakes.check()


def test_one_mistake_is_told_as_it_is_and_many_at_once():
    def read(number):
        if number % 2:
            raise DataError(f"{number} is odd.")
        if number % 10 == 6:
            raise DataError(f"{number} is no number, such as '{number + 1}'.")
        return number

    assert read_all([0, 2, 4], read) == [0, 2, 4]
    with pytest.raises(DataError, match=r"^3 is odd\.$"):
        read_all([0, 3], read)
    with pytest.raises(DataError) as raised:
        read_all(range(30), read)
    assert str(raised.value).splitlines() == [
        "18 mistakes in the data:",
        "  1 is odd. This is one of 15 mistakes of this kind: 1, 3, 5, ....",
        "  6 is no number, such as '7'. This is one of 3 mistakes of this kind: 6, 16, 26.",
    ]


def test_many_kinds_of_mistakes_are_cut():
    mistakes = Mistakes()
    for word in "abcdefghijklm":
        mistakes.add(f"of the kind {word}.")
    with pytest.raises(DataError) as raised:
        mistakes.check()
    lines = str(raised.value).splitlines()
    assert len(lines) == 12 and lines[0].startswith("13 mistakes") and lines[-1] == "  ... and 3 more kinds."


def test_nothing_held_is_no_mistake():
    mistakes = Mistakes()
    with mistakes.held():
        pass
    mistakes.check()


def test_a_sentence_that_begins_with_a_name_keeps_it() -> None:
    notes = Notes(["dataset.samples 300 has no effect", "x.npz is odd", "images are turned"])

    assert notes.warnings() == ["dataset.samples 300 has no effect.", "x.npz is odd.", "Images are turned."]


def test_mistakes_that_were_held_back_before_are_summed_up_once() -> None:
    def lines_of(file, words):
        inner = Mistakes()
        for number, word in enumerate(words):
            with inner.held(f"{file}, line {number}"):
                raise DataError(f"{file}, line {number}: '{word}' is no number.")
        inner.check()

    mistakes = Mistakes()
    for split in ("train", "test"):
        with mistakes.held(f"{split}.ts", split):
            lines_of(f"{split}.ts", "abc")
    with pytest.raises(DataError) as raised:
        mistakes.check()
    assert str(raised.value) == (
        "train.ts, line 0: 'a' is no number. This is one of 6 mistakes of this kind: train.ts, line 0, "
        "train.ts, line 1, train.ts, line 2, ...."
    )
    assert raised.value.unreadable == {"train", "test"}
    with pytest.raises(DataError, match=r"of 6 mistakes .*\.\.\.$"):
        read_all(["a.ts", "b.ts"], lambda file: lines_of(file, "xyz"))


def test_what_was_done_before_stays_with_mistakes_that_are_held_again() -> None:
    inner, outer = Mistakes(), Mistakes()
    inner.add("no.", "a")
    with outer.held("file"), explained(["merged"]):
        inner.check()
    with pytest.raises(DataError, match=r"^no\.\nWhat was done before: Merged\.$"):
        outer.check()
