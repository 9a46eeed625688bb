"""Tasks: each names its data, its network family, its loss and its metrics.

`tasks.get(config.dataset.type)` is the one place that depends on the kind of work; everything above handles
any task. Not imported here: training, predictors, strategy, workflows. `networks.spec` (torch-free) is all it
needs of networks.

To add a task: one file here with a `Task` class registered in `REGISTRY` (or an entry point of the group
`popnas.tasks`).
"""

from popnas.registry import Registry
from popnas.tasks._base import Loss, MetricAccumulator, Task

REGISTRY: Registry[type[Task]] = Registry("task", "popnas.tasks", "popnas.tasks")


def get(name: str) -> Task:
    """The task of that name (`dataset.type`).

    Raises:
        UnknownNameError: there is none; the message lists them.
    """
    return REGISTRY.get(name)()


__all__ = ["REGISTRY", "Loss", "MetricAccumulator", "Task", "get"]
