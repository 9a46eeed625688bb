"""How far networks are, from what evaluations tell (`executors.tell`)."""

from __future__ import annotations

from popnas.events import EpochFinished, Listen, Warned
from popnas.executors import TELLING, Misread, Progress


class EpochsHeard:
    """Passes on to a listener how far networks are; of the first message that says nothing of it warns."""

    def __init__(self, tell: Listen) -> None:
        self._tell, self._has_warned = tell, False

    def __call__(self, job_id: str, told: Progress | Misread) -> None:
        """Hear one message of a job: an `executors.OnProgress`."""
        if isinstance(told, Progress):
            self._tell(EpochFinished(job_id, told.epoch, told.num_epochs))
        elif not self._has_warned:
            self._has_warned = True
            self._tell(Warned(f"What evaluations tell is passed over, such as {told.shown}: {TELLING}"))
