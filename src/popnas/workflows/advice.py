"""What to do about candidates that failed: each kind of failure has its own remedy."""

from __future__ import annotations

from collections.abc import Iterable

_REMEDIES = {
    "nan": "the loss became no number: lower training_hyperparameters.learning_rate",
    "out_of_memory": "memory ran out: lower dataset.batch_size or architecture_hyperparameters.filters, or "
    "use fewer workers (others.executor.workers)",
    "time_limit": "the time limit ended them: raise others.max_candidate_seconds, or train for fewer epochs",
    "worker_died": "their processes were ended from outside, as the system does when memory runs out: use "
    "fewer workers (others.executor.workers=1) or a smaller dataset.batch_size, and look into debug.log",
    "error": "an error ended them, which critical.log and debug.log in the run's folder have whole",
}


def for_kinds(kinds: Iterable[str | None]) -> str:
    """A line for each kind of failure (`CandidateFailed.KINDS`) that there was."""
    found = set(kinds)
    remedies = [remedy for kind, remedy in _REMEDIES.items() if kind in found]
    return "\n".join(f"  {remedy[0].upper()}{remedy[1:]}." for remedy in remedies)
