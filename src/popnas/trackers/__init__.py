"""Where what a run and its trainings tell goes while they run, for people to look at: TensorBoard.

`_base` is the contract; each other module is one tracker, found by the registry, and the only one that knows
its library, which it imports when it is first needed. `Trackers` opens those that `others.trackers` names,
for a run or for one training, and keeps what they raise from whoever tells. May not be imported here: torch,
and any other room but errors and registry. To add a tracker, write one module with a class decorated with
`@REGISTRY.register(name, description=...)`, here or behind the entry point group `popnas.trackers`;
`tests/contract/test_trackers.py` picks it up.
"""

from popnas.trackers._base import REGISTRY, Scope, Tracker, Trackers
from popnas.trackers._figures import epoch_figures

__all__ = ["REGISTRY", "Scope", "Tracker", "Trackers", "epoch_figures"]
