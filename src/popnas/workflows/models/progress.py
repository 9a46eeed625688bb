"""What the jobs after a search tell while they run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from popnas.workflows.progress import Progress


class ModelListener(Progress):
    """What model selection and final training report; this one is silent.

    How far a training is stands in the `training.json` of its folder, after every epoch.
    """

    def job_opened(self, folder: Path) -> None:
        """The run folder of a whole job exists: from now on the job can be resumed."""

    def training_started(self, folders: Sequence[Path], num_epochs: int) -> None:
        """The model folders that are filled now, and how many epochs each is trained."""

    def model_finished(self, folder: Path, text: str) -> None:
        """A model is done; `text` tells how good it is, or why it failed."""
