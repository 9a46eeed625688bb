"""The ensemble that final training delivers: its members, and what every size of it gains and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from popnas.errors import PopnasError, RunFolderError
from popnas.export.description import MOST_MEMBERS
from popnas.printable import quoted
from popnas.records import Record
from popnas.report import markup
from popnas.report.run_data import RunData
from popnas.runs.stored.reading import is_there, read_record
from popnas.runs.stored.rules import is_object, is_text, list_of, whole
from popnas.storage import write_json

NAME = "ensemble.json"
_DIGITS = 9
"""Equal figures that were summed up differently differ in their last bits."""


@dataclass(frozen=True)
class EnsembleMember(Record):
    """A network of the ensemble: where it was chosen (a folder's name, or words), what it is made of
    (`macro`: its macro-architecture, None: the run's), the number of its seed from 0, its params and FLOPs.
    """

    origin: str
    cell: str
    motifs: int
    normal_cells: int
    filters: int
    macro: str | None
    seed: int
    params: int
    flops: int


@dataclass(frozen=True)
class EnsembleSize(Record):
    """The first `members` together: score and mean cross-entropy on validation data, None where there were
    none to choose on; params and FLOPs of a sample of all."""

    members: int
    params: int
    flops: int
    score: float | None = None
    loss: float | None = None

    @property
    def figures(self) -> tuple[float, float]:
        """Score and cross-entropy, the better the less; all are equal of seeds, which nothing judged."""
        if self.score is None or self.loss is None:
            return 0.0, 0.0
        return -round(self.score, _DIGITS), round(self.loss, _DIGITS)


def best_size(sizes: Sequence[EnsembleSize], first: EnsembleSize) -> EnsembleSize | None:
    """Of those that are no worse than the `first` network alone, neither in score nor in cross-entropy, the
    best score, of equal ones the lowest cross-entropy, then the fewest members; of seeds that nothing judged
    the most. A score alone rises by chance where few examples validate."""
    fair = [
        size
        for size in sizes
        if all(own <= single for own, single in zip(size.figures, first.figures, strict=True))
    ]
    sign = -1 if first.score is None else 1
    return min(fair, key=lambda size: (*size.figures, sign * size.members), default=None)


@dataclass(frozen=True)
class EnsemblePlan(Record):
    """`asked`: how many members at most; `max_params`: of all together; `given`: the cell that was given,
    None: they are those of a model selection; `score`: what it is, in words; `members` in the order in which
    they were chosen, of which the first `chosen` are delivered; `sizes`: of every number of them.

    `selection`: the name of the selection that they were chosen from, None: the unnamed one; `digest`: that
    of its networks and scores, None: there was none, or an earlier version wrote this; `settings`: what it
    was asked with beside the task's preset, as changes "a.b=V"; `left_out`: the numbers, from 1, of the
    members that are not in the model that is there, as they would be copies of others."""

    asked: int
    max_params: int | None
    given: str | None
    score: str
    members: Sequence[EnsembleMember]
    sizes: Sequence[EnsembleSize]
    chosen: int
    run: str | None = None
    selection: str | None = None
    digest: str | None = None
    settings: Sequence[str] = ()
    left_out: Sequence[int] = ()

    @property
    def delivered(self) -> Sequence[EnsembleMember]:
        """The members that are trained for good."""
        return self.members[: self.chosen]

    @property
    def size(self) -> EnsembleSize:
        """What is delivered."""
        return self.sizes[self.chosen - 1]

    @property
    def verdict(self) -> str:
        """What it comes to beside the single network, in a sentence; in another, what is left out."""
        return f"{self._excess or self._gain}{self._lack}"

    @property
    def is_too_large(self) -> bool:
        """Whether even the smallest network, which is delivered then, has more than `max_params`."""
        return self.max_params is not None and self.size.params > self.max_params

    @property
    def _excess(self) -> str:
        if not self.is_too_large:
            return ""
        return (
            f"No network has at most {self.max_params:,} params, the `max_params` that were asked for: the "
            f"smallest one is delivered, of {self.size.params:,}."
        )

    @property
    def _lack(self) -> str:
        if not self.left_out:
            return ""
        numbers = ", ".join(map(str, self.left_out))
        return (
            f" Left out for now: {'members' if len(self.left_out) > 1 else 'member'} {numbers}. The time was "
            "up before there was more of them than weights that another member has."
        )

    @property
    def _gain(self) -> str:
        one, all_of = self.sizes[0], self.size
        if len(self.sizes) == 1:
            return "One network is delivered: there is no other, or none that `max_params` allows beside it."
        if one.score is None or all_of.score is None or one.loss is None or all_of.loss is None:
            return (
                f"An ensemble of {self.chosen} seeds of one network, {all_of.params:,} params; there was no "
                "model selection to judge it on."
            )
        if self.chosen == 1:
            return (
                "No ensemble is better on validation data than its first network, which is delivered; "
                f"{len(self.sizes)} were tried."
            )
        return (
            f"An ensemble of {self.chosen} networks: validation {self.score} {all_of.score:.4f} against "
            f"{one.score:.4f} of its first alone, cross-entropy {all_of.loss:.4f} against {one.loss:.4f}, "
            f"for {all_of.flops / max(one.flops, 1):.1f} times its FLOPs."
        )


_MUST = {
    "asked": whole(1, MOST_MEMBERS),
    "chosen": whole(1, MOST_MEMBERS),
    "score": is_text,
    "members": list_of(is_object, 1, MOST_MEMBERS),
    "sizes": list_of(is_object, 1, MOST_MEMBERS),
}

_MAY = {"left_out": list_of(whole(2, MOST_MEMBERS))}


def write(folder: Path, plan: EnsemblePlan) -> None:
    """Write it into a training's folder. Raises StorageError."""
    write_json(folder / NAME, plan.to_json(), is_durable=True, is_proven=True)


def read(folder: Path) -> EnsemblePlan | None:
    """That of a training's folder; None if there is none.

    Raises:
        RunFolderError: it cannot be read, is of another run, or is none.
    """
    if not is_there(folder / NAME):
        return None
    remedy = "remove the folder that it lies in, and the same popnas train chooses and trains anew"
    plan = read_record(folder / NAME, EnsemblePlan, must=_MUST, may=_MAY, remedy=remedy)
    if not max(plan.left_out, default=1) <= plan.chosen <= len(plan.members) == len(plan.sizes) <= plan.asked:
        raise RunFolderError(
            f"{quoted(folder / NAME)} contradicts itself. Put back a copy of it; or {remedy}."
        )
    return plan


def render(run: RunData) -> str:
    """The verdict and the table of all sizes; "" without an ensemble."""
    try:
        plan = read(run.path / "final_training")
    except PopnasError:  # a report of what is there is worth more than none
        plan = None
    if plan is None:
        return ""
    rows: list[list[markup.Value | str]] = []
    for size, member in zip(plan.sizes, plan.members, strict=True):
        rows.append(
            [
                markup.count(size.members),
                markup.text(member.origin + (f", seed {member.seed}" if member.seed else "")),
                markup.score(size.score),
                markup.score(size.loss),
                markup.count(size.params),
                markup.large(size.flops),
                markup.Value(markup.code(member.cell), member.cell),
            ]
        )
    header = [
        *(
            "networks",
            "the last of them",
            f"validation {plan.score}",
            "cross-entropy",
            "params",
            "FLOPs",
            "cell",
        ),
    ]
    note = (
        "<p class=note>Each line is of all networks up to it. The first is the best of the selection; the "
        "next is the one with which the averaged probabilities have the lowest cross-entropy. Delivered is "
        "the number of the best score among those that are no worse than the first alone in either.</p>"
    )
    return f"<p><strong>{markup.text(plan.verdict)}</strong></p>{markup.table(header, rows)}{note}"
