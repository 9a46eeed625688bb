"""What any job tells while it runs."""

from __future__ import annotations


class Progress:
    """What any job reports; this one is silent. `cli` draws a progress bar from it, a notebook may do
    otherwise."""

    def message(self, text: str) -> None:
        """Something worth a line: a warning, a result."""

    def phase(self, text: str) -> None:
        """What is going on now: loading data, fitting predictors, drawing the report."""

    def counting_started(self, text: str, total: int) -> None:
        """What is going on now, in so many pieces."""

    def counted(self, done: int, what: str = "") -> None:
        """So many pieces are done; `what` the next one is."""
