"""The found network beside the known ones, in words."""

from dataclasses import replace

import pytest

from popnas.report.run_data import RunData
from popnas.report.sections import references
from popnas.report.sections.references import AgainstReferences, ComparedNetwork
from popnas.report.statistics import share_noise
from popnas.runs import RunState


def compared(found, *known):
    beside = [ComparedNetwork(f"the {i}th", f"{i}-x", "[]", 5, score) for i, score in enumerate(known)]
    return AgainstReferences("accuracy", ComparedNetwork("the found network", "0-x", "[]", 7, found), beside)


@pytest.mark.parametrize(
    ("found", "known", "words"),
    [
        (0.9, [0.8, 0.85], "beats every known one: validation accuracy 0.9000 against 0.8500 of the 1th"),
        (
            0.9,
            [0.8, 0.95],
            "wins and is the best of the selection: validation accuracy 0.9000 against 0.9500 of the 1th",
        ),
        (
            0.9,
            [0.9, None],
            "are level, and the one of fewer params counts as the best, the 0th (5 against 7): "
            "validation accuracy 0.9000 against 0.9000 of the 0th",
        ),
        (0.3, [0.1 + 0.2], "are level, and the one of fewer params counts as the best, the 0th"),
        (0.9, [None], "No known network was trained"),
        (None, [0.1], "Only the 0th was trained"),
    ],
)
def test_the_verdict_is_that_of_the_validation_scores(found, known, words):
    assert words in replace(compared(found, *known), is_clear=True).verdict


@pytest.mark.parametrize(
    ("found", "words"), [(0.9, "is ahead of every known"), (0.7, "known network is ahead")]
)
def test_who_may_be_ahead_by_no_more_than_noise_beats_nobody(found, words):
    told = {False: "the difference is within its noise", None: "how far that is noise is not known"}
    for is_clear, noise in told.items():
        verdict = replace(compared(found, 0.8), is_clear=is_clear).verdict
        assert words in verdict and verdict.endswith(f"; {noise}.")
        assert "beats" not in verdict and "wins" not in verdict
    assert "noise" not in replace(compared(found, 0.8), is_clear=True).verdict


@pytest.mark.parametrize(
    ("one", "other", "num_examples", "is_clear"),
    [(0.9916, 0.9889, 359, False), (0.99, 0.95, 359, True), (0.99, 0.95, 30, False), (1.0, 1.0, 5, False)],
)
def test_few_examples_tell_only_large_differences_apart(one, other, num_examples, is_clear):
    assert (abs(one - other) > share_noise(one, other, num_examples)) is is_clear


@pytest.mark.parametrize(
    ("found", "ahead"),
    [
        (0.9, "The found network is ahead and is the best of the selection"),
        (0.7, "A known network is ahead and is the best of the selection"),
        (
            0.8,
            "The found network and a known one are level, and the one of fewer params counts as the best, "
            "a residual network (5 against 7)",
        ),
    ],
)
def test_who_was_not_trained_to_the_end_is_not_beaten(found, ahead):
    known = [
        ComparedNetwork("a residual network", "1-x", "[]", 5, 0.8, is_cut=True),
        ComparedNetwork("another", "2-x", "[]", 5, 0.1),
    ]
    verdict = AgainstReferences(
        "accuracy", ComparedNetwork("the found network", "0-x", "[]", 7, found), known
    ).verdict
    assert verdict.startswith(f"{ahead}, but the time limit ended the ")
    assert "training of a residual network early" in verdict and "beats" not in verdict
    cut = replace(known[1], is_cut=True)
    verdict = AgainstReferences("accuracy", replace(known[0], title="x"), [known[0], cut]).verdict
    assert "training of x, a residual network and another early" in verdict


def test_of_level_networks_the_one_is_named_that_a_selection_takes():
    """Among the known ones, too; where the params are equal, the first: the found network."""

    def network(title, params):
        return ComparedNetwork(title, "0-x", "[]", params, 0.9)

    beside = [network("a large one", 9), network("a small one", 8)]
    for params, words in (
        (7, "best, the found network (7 against 8)"),
        (8, "level, of equally many params, and the found network counts as the best"),
        (9, "best, a small one (8 against 9)"),
    ):
        assert words in AgainstReferences("score", network("the found network", params), beside).verdict


def test_it_is_kept_and_shown(tmp_path):
    assert references.read(tmp_path) is None
    run = RunData(tmp_path, RunState())
    assert references.render(run) == ""
    folder = tmp_path / "model_selection"
    folder.mkdir()
    compared(0.9, 0.8).write(folder)
    found = references.read(folder)
    assert found is not None and found.verdict == compared(0.9, 0.8).verdict
    page = references.render(run)
    assert found.verdict in page and "this search" in page and "0.8000" in page
    (folder / references.NAME).write_text("{")
    assert references.render(run) == ""
