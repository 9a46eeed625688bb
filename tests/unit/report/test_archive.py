"""Methods ranked over problems, and the page of a campaign."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import scipy

from popnas.report.archive import diagram, page, ranks
from popnas.report.archive.page import ArchiveSummary, ProblemResult
from popnas.report.archive.ranks import ranking


def scores(number=20, **offsets):
    """Methods whose accuracies differ by these offsets and a little noise."""
    generator = np.random.default_rng(0)
    base = generator.uniform(0.5, 0.8, number)
    return {
        name: {f"p{i}": float(base[i] + offset + generator.normal(0, 0.005)) for i in range(number)}
        for name, offset in offsets.items()
    }


def test_the_better_method_has_the_better_rank_and_equals_share_a_bar():
    found = ranking(scores(good=0.1, other=0.0, same=0.0), "good")
    assert found is not None and found.num_problems == 20
    assert [found.methods[0].name, found.methods[0].rank] == ["good", 1.0]
    assert {method.name: method.wins for method in found.methods} == {"good": 0, "other": 20, "same": 20}
    assert found.cliques == [(1, 2)]
    assert sum(method.rank for method in found.methods) == pytest.approx(6.0)


def test_ties_share_their_rank():
    found = ranking({"a": {"p": 0.5, "q": 0.7}, "b": {"p": 0.5, "q": 0.6}, "c": {"p": 0.1, "q": 0.6}}, "a")
    assert found is not None
    assert [(method.name, method.rank) for method in found.methods] == [("a", 1.25), ("b", 2.0), ("c", 2.75)]
    assert found.methods[1].ties == 1
    assert found.cliques == [(0, 2)]  # two problems prove nothing


def test_only_problems_that_all_have_count():
    assert ranking({"a": {"p": 0.5}, "b": {"q": 0.5}}, "a") is None
    assert ranking({"a": {"p": 0.5}}, "a") is None
    found = ranking({"a": {"p": 0.5, "r": 0.1}, "b": {"p": 0.4, "q": 0.9}}, "a")
    assert found is not None and found.num_problems == 1


@pytest.mark.parametrize("number", [8, 30])
def test_the_chance_of_a_difference_is_that_of_scipy(number):
    from scipy.stats import wilcoxon

    name = "approx" if scipy.__version__.startswith("1.14.") else "asymptotic"  # the same, renamed
    generator = np.random.default_rng(number)
    first, second = generator.normal(0.4, 1, number).round(1), generator.normal(0, 1, number).round(1)
    expected = wilcoxon(first, second, method=name, correction=False).pvalue
    assert ranks._wilcoxon(first, second) == pytest.approx(expected)
    assert ranks._wilcoxon(first, first) == 1.0


def test_the_diagram_names_all_methods_and_is_sound_xml():
    found = ranking(scores(**{"a<b": 0.1, "second": 0.0, "third": 0.0, "fourth": -0.1}), "second")
    assert found is not None
    root = ElementTree.fromstring(diagram.svg(found))
    texts = [item.text or "" for item in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sum(name in text for text in texts for name in ("a<b", "second", "third", "fourth")) == 4
    bars = [item for item in root.iter() if item.get("stroke-width") == "4"]
    assert len(bars) == len(found.cliques) == 1


def test_the_page_shows_what_is_done_what_failed_and_the_ranks():
    results = [
        ProblemResult("p0", accuracy=0.9, cell="[]", macro="random_kernels", reference="random_kernels"),
        ProblemResult("p1", error="no <data>"),
    ]
    against = {"other": {"p0": 0.8}}
    ranked = ranking({page.OWN: {"p0": 0.9}, **against}, page.OWN)
    text = page.html(ArchiveSummary("ucr", results, 3, against, ranked))
    for part in ("no &lt;data&gt;", "0.9000", "0.8000", "random_kernels", "1 / 0 / 0", "<svg"):
        assert part in text
    assert "<svg" not in page.html(ArchiveSummary("ucr", results, 3, {}, None))
