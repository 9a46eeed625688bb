"""What to do about candidates that failed: each kind of failure has its own remedy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from popnas.errors import CandidateFailed
from popnas.evaluation import Evaluation
from popnas.predictors import MIN_TARGETS

_REMEDIES = {
    "nan": "the loss became no number: lower training_hyperparameters.learning_rate",
    "out_of_memory": "memory ran out: lower dataset.batch_size or architecture_hyperparameters.filters, or "
    "use fewer workers (others.executor.workers)",
    "time_limit": "the time limit ended them: raise others.max_candidate_seconds, or train for fewer epochs",
    "worker_died": "their processes died: where memory or threads ran out, use fewer workers "
    "(others.executor.workers=1) or a smaller dataset.batch_size; debug.log has all that they printed",
    "error": "an error ended them, which critical.log in the run's folder has whole, as has debug.log where "
    "there is one",
}


def for_error(error: BaseException) -> str | None:
    """What to do about an error that ended a stage; None: its message says that itself."""
    return for_kinds([error.kind]).strip() if isinstance(error, CandidateFailed) else None


def for_kinds(kinds: Iterable[str | None]) -> str:
    """A line for each kind of failure (`CandidateFailed.KINDS`) that there was."""
    found = set(kinds)
    remedies = [remedy for kind, remedy in _REMEDIES.items() if kind in found]
    return "\n".join(f"  {remedy[0].upper()}{remedy[1:]}." for remedy in remedies)


def too_few(evaluations: Sequence[Evaluation], num_blocks: int) -> str | None:
    """Why the single-block cells that were evaluated are too few to grow cells of up to `num_blocks`
    from, and what helps; None if they are not."""
    cells = [evaluation for evaluation in evaluations if evaluation.step == 1]
    failures = [evaluation for evaluation in cells if evaluation.is_failed]
    trained = len(cells) - len(failures)
    if trained >= (MIN_TARGETS if num_blocks > 1 else 1) or not failures:
        return None
    reasons = Counter(f"{evaluation.error_kind}: {evaluation.error}" for evaluation in failures)
    listed = "\n  ".join(f"{count} x {reason}" for reason, count in reasons.most_common(5))
    need = f"predicting larger ones takes {MIN_TARGETS}" if trained else "there is nothing to grow from"
    return (
        f"{len(failures)} of {len(cells)} single-block cells failed: {need}. Reasons:\n  {listed}\n"
        "What helps:\n" + for_kinds(evaluation.error_kind for evaluation in failures)
    )
