"""The page of a campaign over an archive, and the values that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from popnas.printable import counted
from popnas.records import Record
from popnas.report import markup
from popnas.report.archive import diagram
from popnas.report.archive.ranks import LEVEL, Ranking
from popnas.report.pages._base import document

OWN = "popnas"
"""What this campaign is called among the methods."""


@dataclass(frozen=True)
class ProblemResult(Record):
    """What came of a problem: accuracy of the delivered file on `num_test` test examples, its cell and
    macro-architecture (and whether that is a known network; of several `members` those of the first), `score`
    on validation data, wall seconds of the whole job. `error`: why there is nothing of that."""

    problem: str
    accuracy: float | None = None
    num_test: int | None = None
    score: float | None = None
    cell: str | None = None
    macro: str | None = None
    reference: str | None = None
    members: int | None = None
    params: int | None = None
    seconds: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class ArchiveSummary:
    """`results` in the order of their names; `num_open`: problems that are not done yet; `published`: by
    method the accuracy by problem; `ranking`: None where there is nothing to compare with; `told`: sentences
    on what could not be compared."""

    name: str
    results: Sequence[ProblemResult]
    num_open: int
    published: Mapping[str, Mapping[str, float]]
    ranking: Ranking | None
    told: Sequence[str] = ()

    @property
    def done(self) -> list[ProblemResult]:
        """Those with an accuracy."""
        return [item for item in self.results if item.accuracy is not None]

    @property
    def mean_accuracy(self) -> float | None:
        """Over all problems that are done."""
        found = [item.accuracy for item in self.done if item.accuracy is not None]
        return sum(found) / len(found) if found else None


def html(summary: ArchiveSummary) -> str:
    """The page."""
    failed = [item for item in summary.results if item.error is not None]
    known = [item for item in summary.done if item.reference is not None]
    figures = [
        ("problems done", str(len(summary.done))),
        ("still open", str(summary.num_open)),
        ("failed", str(len(failed))),
        ("mean accuracy", markup.score(summary.mean_accuracy).html),
        ("a known network delivered", str(len(known))),
    ]
    sections = [("Summary", markup.tiles(figures))]
    ranks = "" if summary.ranking is None else _ranks(summary.ranking)
    told = "".join(f"<p class=note>Not compared: {markup.text(text)}</p>" for text in summary.told)
    sections.append(("Ranks", f"{ranks}{told}"))
    sections.append(("Problems", _problems(summary)))
    if failed:
        rows: list[list[markup.Value | str]] = [[item.problem, item.error or ""] for item in failed]
        sections.append(("Failures", markup.table(["problem", "why"], rows)))
    subtitle = f"{counted(len(summary.done), 'problem')} of the archive, one whole job each"
    return document(summary.name, subtitle, [item for item in sections if item[1]])


def _ranks(ranking: Ranking) -> str:
    rows: list[list[markup.Value | str]] = [
        [
            method.name,
            markup.Value(f"{method.rank:.2f}", method.rank),
            markup.score(method.accuracy),
            "" if method.name == OWN else f"{method.wins} / {method.ties} / {method.losses}",
        ]
        for method in ranking.methods
    ]
    header = ["method", "mean rank", "mean accuracy", f"{OWN} wins / ties / losses"]
    return (
        f"{diagram.svg(ranking)}<p class=note>Over the {counted(ranking.num_problems, 'problem')} that all "
        f"methods have. A bar joins methods among which no difference is more than chance (Wilcoxon "
        f"signed-rank tests at {LEVEL:.0%}, corrected after Holm).</p>{markup.table(header, rows)}"
    )


def _problems(summary: ArchiveSummary) -> str:
    others = list(summary.published)
    header = ["problem", OWN, *others, "validation", "params", "seconds", "network"]
    rows: list[list[markup.Value | str]] = []
    for item in summary.done:
        values = [markup.score(summary.published[name].get(item.problem)) for name in others]
        beside = f" and {item.members - 1} more" if item.members is not None and item.members > 1 else ""
        network = markup.Value(markup.code(f"{item.cell} in {item.macro}") + beside, item.macro)
        figures = [markup.score(item.score), markup.count(item.params), markup.seconds(item.seconds)]
        rows.append([item.problem, markup.score(item.accuracy), *values, *figures, network])
    return markup.table(header, rows)
