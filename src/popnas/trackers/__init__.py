"""Where the figures of a training go while it runs, for people to look at: TensorBoard.

`_base` is the contract; each other module is one tracker, found by the registry, and the only one that knows
its library, which it imports when a tracker is made. May not be imported here: torch, and any other room but
errors and registry. To add a tracker, write one module with a class decorated with `@REGISTRY.register(name,
description=...)`, here or behind the entry point group `popnas.trackers`.
"""

from popnas.trackers._base import REGISTRY, Tracker

__all__ = ["REGISTRY", "Tracker"]
