"""What a search found beside the known networks of its task, by validation score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from popnas.records import Record
from popnas.report import markup
from popnas.report.run_data import RunData
from popnas.report.statistics import Interval
from popnas.runs.stored.reading import read_of_report
from popnas.runs.stored.rules import is_text, list_of
from popnas.storage import write_json

NAME = "references.json"
_DIGITS = 9
"""Means of equal scores may differ in their last bits."""


@dataclass(frozen=True)
class ComparedNetwork(Record):
    """`title`: in a sentence; `folder`: its name; `source`: who proposed a known one. Without a score: it
    failed, or the time was up."""

    title: str
    folder: str
    cell: str
    params: int
    score: float | None = None
    training_seconds: float | None = None
    source: str | None = None
    half: float | None = None
    """Of the 95 % interval of the score, where it is the mean of several trainings."""
    is_cut: bool = False
    """Whether a time limit ended its training early."""


@dataclass(frozen=True)
class AgainstReferences(Record):
    """The best network of the search, the known ones beside it, and the `score` that decides, in words;
    `is_clear`: whether the best two differ by more than their noise, None where nobody knows it."""

    score: str
    found: ComparedNetwork
    references: Sequence[ComparedNetwork]
    is_clear: bool | None = None

    @property
    def best_reference(self) -> ComparedNetwork | None:
        """The known network of the best score, of equal ones that of fewer params; None if none was
        trained."""
        trained = [item for item in self.references if item.score is not None]
        return min(trained, key=lambda item: (-_rounded(item.score), item.params), default=None)

    @property
    def verdict(self) -> str:
        """Which is better, in a sentence. What is delivered may be another: an ensemble, or what keeps to a
        limit of params."""
        best, found = self.best_reference, self.found.score
        if best is None or best.score is None:
            return "No known network was trained to compare with."
        if found is None:
            return f"Only {best.title} was trained, with a validation {self.score} of {best.score:.4f}."
        figures = (
            f"validation {self.score} {Interval(found, self.found.half)} against "
            f"{Interval(best.score, best.half)} of {best.title}"
        )
        is_level = _rounded(found) == _rounded(best.score)
        if not self.is_clear and not is_level:
            within, unknown = "the difference is within its noise", "how far that is noise is not known"
            figures += f"; {unknown if self.is_clear is None else within}"
        if titles := [item.title for item in (self.found, *self.references) if item.is_cut]:
            cut = " and ".join(filter(None, [", ".join(titles[:-1]), titles[-1]]))
            ahead = "The found network" if found > best.score else "A known network"
            told = f"{ahead} is ahead and is the best of the selection"
            if is_level:
                told = self._level(best)
            return (
                f"{told}, but the time limit ended the training of {cut} early, so this compares "
                f"little: {figures}."
            )
        if is_level:
            return f"{self._level(best)}: {figures}."
        if found > best.score:
            ahead = "beats" if self.is_clear else "is ahead of"
            return f"The found network {ahead} every known one: {figures}."
        ahead = "wins" if self.is_clear else "is ahead"
        return f"The known network {ahead} and is the best of the selection: {figures}."

    def _level(self, best: ComparedNetwork) -> str:
        """Who is the best of two that are level."""
        few, many = sorted((self.found, best), key=lambda item: item.params)
        level = "The found network and a known one are level"
        if few.params == many.params:
            return f"{level}, of equally many params, and {self.found.title} counts as the best"
        return (
            f"{level}, and the one of fewer params counts as the best, {few.title} ({few.params:,} against "
            f"{many.params:,})"
        )

    def write(self, folder: Path) -> None:
        """Write it into a selection's folder. Raises StorageError."""
        write_json(folder / NAME, self.to_json(), is_proven=True)


def _rounded(score: float | None) -> float:
    return round(score or 0.0, _DIGITS)


def read(folder: Path) -> AgainstReferences | None:
    """That of a selection's folder; None if there is none that could be read."""
    must = {"score": is_text, "references": list_of(lambda item: isinstance(item, dict))}
    return read_of_report(folder / NAME, AgainstReferences, must=must)


def render(run: RunData) -> str:
    """The verdict and a table; "" where nothing was compared."""
    compared = read(run.path / "model_selection")
    if compared is None:
        return ""
    rows: list[list[markup.Value | str]] = [
        [
            markup.text(item.title),
            markup.score(item.score, item.half),
            markup.count(item.params),
            markup.seconds(item.training_seconds),
            markup.Value(markup.code(item.cell), item.cell),
            markup.text(item.source or "this search"),
        ]
        for item in (compared.found, *compared.references)
    ]
    header = ["network", f"validation {compared.score}", "params", "training", "cell", "from"]
    return f"<p><strong>{markup.text(compared.verdict)}</strong></p>{markup.table(header, rows)}"
