"""Where what a run and its trainings tell goes while they run, for people to look at: TensorBoard, MLflow,
Neptune.

`_tracker` is the contract; each other module is one tracker, found by the registry, and the only one that
knows its library, which it imports when it is first needed. `Trackers` opens those that `others.trackers`
names, for a run or for one training, each behind a thread of its own (`_thread`), so that whoever tells
neither waits for one nor hears what it raises. May not be imported here: torch, and any other room but
errors, files, printable, records and registry. To add a tracker, write one module with a class decorated with
`@REGISTRY.register(name, description=...)`, here or behind the entry point group `popnas.trackers`;
`tests/contract/test_trackers.py` picks it up.
"""

from popnas.trackers._base import Trackers, check, local
from popnas.trackers._figures import EPOCHS_FILE, epoch_figures, epoch_table
from popnas.trackers._tracker import REGISTRY, Scope, TrackedNetwork, Tracker, UnreachableError

__all__ = [
    "EPOCHS_FILE",
    "REGISTRY",
    "Scope",
    "TrackedNetwork",
    "Tracker",
    "Trackers",
    "UnreachableError",
    "check",
    "epoch_figures",
    "epoch_table",
    "local",
]
