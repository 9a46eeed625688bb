"""Times of candidates that were measured on machines of several kinds, brought to those of one.

Each worker of a cluster tells the kind of its machine and what a fixed training step takes there
(`training.clocks.probe_seconds`). All of a kind are equal; the first candidate's kind is what the others are
brought to, also when the search goes on later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from popnas.evaluation import Curve, Measured
from popnas.events import Listen, Warned
from popnas.printable import one_line
from popnas.records import JsonValue


class Machines:
    """Those of a run; `arrived`: the volatile parts of what is there of it already, in the order in which it
    came."""

    def __init__(self, arrived: Iterable[Mapping[str, JsonValue]], tell: Listen) -> None:
        self._tell = tell
        self._seconds: dict[str, float] = {}  # by kind, the first known first
        for volatile in arrived:
            self._know(volatile)

    def alike(self, measured: Measured) -> Measured:
        """With times as the first kind of machine would have taken, and how that was done: its volatile
        `times_by` is what they were multiplied by."""
        by = self._by(measured.volatile)
        if by is None:
            return measured
        return replace(
            measured,
            training_seconds=_times(measured.training_seconds, by),
            inference_seconds=_times(measured.inference_seconds, by),
            volatile={**measured.volatile, "times_by": by},
        )

    def alike_curve(self, curve: Curve) -> Curve:
        """The same of a training for a table, after every epoch."""
        by = self._by(curve.volatile)
        if by is None:
            return curve
        return replace(
            curve,
            training_seconds=[seconds * by for seconds in curve.training_seconds],
            inference_seconds=_times(curve.inference_seconds, by),
            volatile={**curve.volatile, "times_by": by},
        )

    def _by(self, volatile: Mapping[str, JsonValue]) -> float | None:
        """What times of the machine that told this are multiplied by; None where they stay."""
        known = set(self._seconds)
        kind = self._know(volatile)
        if kind is None:
            return None
        first = next(iter(self._seconds))
        if kind == first:
            return None
        by = self._seconds[first] / self._seconds[kind]
        if kind not in known:
            self._tell(Warned(self._told(first, kind, by)))
        return by

    def _know(self, volatile: Mapping[str, JsonValue]) -> str | None:
        """The kind of machine that was timed; of each kind the first time holds."""
        kind, seconds = volatile.get("machine"), volatile.get("machine_seconds")
        if not isinstance(kind, str) or not isinstance(seconds, int | float) or not seconds > 0:
            return None
        self._seconds.setdefault(kind, float(seconds))
        return kind

    def _told(self, first: str, kind: str, by: float) -> str:
        here, there = (f"{1e3 * self._seconds[each]:.3g} ms on '{one_line(each)}'" for each in (kind, first))
        return (
            "candidates are timed on machines of several kinds. A fixed training step takes "
            f"{here} and {there}: times of the former are multiplied by {by:.3g}. A network may gain more or "
            "less than that step; where time decides, let machines of one kind train."
        )


def _times(seconds: float | None, by: float) -> float | None:
    return None if seconds is None else seconds * by
