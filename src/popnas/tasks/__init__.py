"""Tasks: each names its data, its network family, its loss and its metrics.

`tasks.get(config.dataset.type)` is the one place that depends on the kind of work; everything above handles
any task. Not imported here: training, predictors, strategy, workflows. `networks.spec` (torch-free) is all it
needs of networks.

To add a task: one file here with a `Task` class registered in `REGISTRY` (or an entry point of the group
`popnas.tasks`). A task declares all that depends on it, and nobody else decides anything by its name. Modules
here stay torch-free at import time: losses and metrics are imported when they are made.
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


def for_arrays() -> dict[int, str]:
    """By the number of an example's dimensions the task that arrays are for."""
    meant = ((name, task) for name, task in REGISTRY.items() if vars(task).get("is_for_arrays"))
    return {task.num_dims: name for name, task in meant}


__all__ = ["REGISTRY", "Loss", "MetricAccumulator", "Task", "for_arrays", "get"]
