"""Where candidates are evaluated: in this process, or in worker processes.

`_base` is the contract (Work, Worker, Job, Result, Executor); each other module is one executor, found by the
registry. An executor is handed the setup and evaluate functions by their dotted names and the devices by
theirs; it knows nothing of cells, networks or runs. May not be imported here: torch (workers import it
through the functions they are given), and any other room but errors, printable, records, registry, resources.
To add an executor, write one module with a class decorated with `@REGISTRY.register(name, description=...)`,
here or behind the entry point group `popnas.executors`; `tests/contract/test_executors.py` picks it up.
"""

from popnas.executors._base import (
    CPU,
    REGISTRY,
    Executor,
    IsTimeUp,
    Job,
    OnProgress,
    OnStart,
    Result,
    Work,
    Worker,
    create,
)
from popnas.executors._process import how_ended
from popnas.executors._telling import TELLING, Misread, Progress, tell
from popnas.resources import available_cores

__all__ = [
    "CPU",
    "REGISTRY",
    "TELLING",
    "Executor",
    "IsTimeUp",
    "Job",
    "Misread",
    "OnProgress",
    "OnStart",
    "Progress",
    "Result",
    "Work",
    "Worker",
    "available_cores",
    "create",
    "how_ended",
    "tell",
]
